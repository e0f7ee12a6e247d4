"""Assets quoted in another currency than the account's: what is exchanged, when, and at which rate."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import strategy
from peak_fast.errors import ConfigError, DataError
from peak_fast.orders.block import BUY, EQUITY, RATE, VALUE
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_kernels.orders.place import place_market
from tests.oracle_orders import Oracle
from tests.test_order_properties import assert_same_run, make_bars, make_orders, rules_of, settings_of

JPY = Asset(quote="JPY")
USDJPY = Asset(quote="JPY", base="USD")
SETTLED = OrderRules(ledger="settled", merge_fills=False)


def flat_bars(*prices):
    """Bars whose four prices are equal."""
    return {name: [float(price) for price in prices] for name in ("open", "high", "low", "close")}


def money_of(rng, count):
    return list(0.5 * np.exp(np.cumsum(rng.normal(0, 0.03, count))))


@given(seed=st.integers(0, 2**32 - 1))
def test_kernel_equals_the_plain_python_oracle(seed):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows, specs = make_orders(rng, bars, 14)
    if not rows:
        return
    settings, rates = settings_of(rng), money_of(rng, 40)
    ours = simulate_orders(
        bars,
        rows,
        initial_cash=2_000.0,
        rules=rules_of(settings),
        assets=JPY,
        currency="USD",
        rates={"JPY": rates},
    )
    for spec in specs:
        spec.pop("name", None)
    assert_same_run(ours, Oracle(bars, specs, cash=2_000.0, rates=rates, **settings).run())


RULES = (
    OrderRules(),
    OrderRules(leverage=3.0, fee_rate=0.001, fee_fixed=1.0),
    OrderRules(short_proceeds=False, afford="cash", shortfall="cut"),
    OrderRules(leverage=4.0, maintenance=0.3, liquidation_fee=0.01, borrow_cash=0.1),
    OrderRules(borrow_short=0.1, borrow_long=0.02, slippage="fraction", slippage_amount=0.002, spread=0.001),
    OrderRules(check_submission=True, min_value=200.0, fee_tiers=((5_000.0, 0.0001),), fee_rate=0.002),
    OrderRules(ledger="settled", merge_fills=False, leverage=3.0, hedging=True, fee_as_ordered=True),
    OrderRules(ledger="settled", merge_fills=False, maintenance=0.5, leverage=2.0, margin_mark="close"),
    OrderRules(path="worst", exits_active="same_bar", max_drawdown=0.1, afford="financed"),
)
ASSETS = (Asset(), Asset(multiplier=5.0), Asset(multiplier=5.0, margin=40.0))


@given(seed=st.integers(0, 2**32 - 1), rules=st.sampled_from(RULES), asset=st.sampled_from(ASSETS))
def test_a_constant_rate_is_another_scale_of_prices(seed, rules, asset):
    """Half a dollar for a unit of the quote currency, or all prices halved: the same money, bit for bit."""
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows, _ = make_orders(rng, bars, 14)
    units = ("units", "value", "equity_fraction", "target_value", "target_fraction")
    for row in rows:
        if "size" in row:
            row["size_unit"] = unit = str(rng.choice(units, p=(0.6, 0.1, 0.1, 0.1, 0.1)))
            row["size"] *= {"units": 1.0, "value": 20.0, "target_value": 20.0}.get(unit, 0.01)
            row["side"] = None if unit.startswith("target") else row["side"]
    if not rows:
        return
    scaled = {name: values * (0.5 if name != "volume" else 1.0) for name, values in bars.items()}
    priced = ("limit", "stop", "stop_loss", "take_profit")
    halved = [
        {name: 0.5 * value if name in priced and value is not None else value for name, value in row.items()}
        for row in rows
    ]
    asset_there = Asset(multiplier=asset.multiplier, margin=asset.margin, quote="JPY")
    common = {"initial_cash": 2_000.0, "rules": rules}
    there = simulate_orders(bars, rows, assets=asset_there, currency="USD", rates={"JPY": 0.5}, **common)
    here = simulate_orders(scaled, halved, assets=asset, **common)
    columns = ["bar", "side", "size", "fee", "slippage"]
    if asset.margin > 0.0:
        # Settlements are added up in another sequence.
        np.testing.assert_allclose(there.equity, here.equity, rtol=1e-12)
        np.testing.assert_allclose(
            there.fills.select(columns).to_numpy(),
            here.fills.select(columns).to_numpy(),
            rtol=1e-9,
            atol=1e-9,
        )
        return
    assert there.fills.select(columns).rows() == here.fills.select(columns).rows()
    assert (there.fills["price"] * 0.5).to_list() == here.fills["price"].to_list()
    assert there.orders.select("status", "reason").rows() == here.orders.select("status", "reason").rows()
    assert there.equity.tolist() == here.equity.tolist()
    assert there.trades.select("net_pnl", "return").rows() == here.trades.select("net_pnl", "return").rows()


# Kind of account, whether its asset has a margin, whether its base is the account's currency.
ACCOUNTS = (
    ("paid", 0.0, False), ("paid", 30.0, False), ("paid", 30.0, True), ("settled", 0.0, False), ("settled", 0.0, True)
)  # fmt: skip


@given(
    seed=st.integers(0, 2**32 - 1), account=st.sampled_from(ACCOUNTS), leverage=st.sampled_from([1.0, 3.0])
)
def test_equity_is_what_a_plain_accountant_finds(seed, account, leverage):
    """From the fills alone: values (paid), results (settled) or settlements (futures), each at its own rate."""
    ledger, margin, own = account
    rng = np.random.default_rng(seed)
    bars, rates = make_bars(rng, 40), money_of(rng, 40)
    rows, _ = make_orders(rng, bars, 14)
    if not rows:
        return
    # Oldest lot first: an exit of a lot's own would close any.
    rows = [row | {"stop_loss": None, "take_profit": None} for row in rows]
    asset = Asset(multiplier=2.0, margin=margin, quote="JPY", base="USD" if own else "")
    rules = OrderRules(ledger=ledger, merge_fills=False, leverage=leverage, fee_rate=0.001, finalize="close")
    result = simulate_orders(
        bars, rows, initial_cash=5_000.0, rules=rules, assets=asset, currency="USD",
        rates=None if own else {"JPY": rates},
    )  # fmt: skip
    expected = accountant(bars, result.fills.rows(named=True), rates, asset, ledger, own)
    np.testing.assert_allclose(result.equity, expected, rtol=1e-9)
    assert math.isclose(result.trades["net_pnl"].sum() + 5_000.0, result.equity[-1], rel_tol=1e-9)


def accountant(bars, fills, rates, asset, ledger, own):
    """Equity at every close of an account that began with 5,000."""
    cash, lots, curve, base = 5_000.0, [], [], None
    for bar, close in enumerate(bars["close"]):
        for fill in (fill for fill in fills if fill["bar"] == bar):
            price, signed = fill["price"], fill["side"] * fill["size"]
            rate = 1.0 / price if own else fill["rate"]
            # The rate that was known before the bar; what closes at the end of the data closes after its mark.
            at_the_end = bar == len(rates) - 1 and price == close
            assert own or rate == rates[max(bar - 1, 0)] or (at_the_end and rate == rates[bar])
            cash -= fill["fee"]
            held = sum(size for size, _ in lots)
            if ledger == "settled":
                left = -signed if held * signed < 0.0 else 0.0
                while abs(left) > 1e-12:
                    size, entry = lots[0]
                    part = math.copysign(min(abs(left), abs(size)), size)
                    cash += part * (price - entry) * asset.multiplier * rate
                    left -= part
                    lots = lots[1:] if part == size else [(size - part, entry), *lots[1:]]
                if held * signed >= 0.0:
                    lots.append((signed, price))
            elif asset.margin > 0.0:
                # A closing settles what it closes, an opening the whole position before it.
                settled = -signed if held * signed < 0.0 else held
                cash += settled * (price - (base or price)) * asset.multiplier * rate
                base, lots = base if held * signed < 0.0 else price, [*lots, (signed, price)]
            else:
                cash, lots = cash - signed * price * asset.multiplier * rate, [*lots, (signed, price)]
        held = sum(size for size, _ in lots)
        rate = 1.0 / close if own else rates[bar]
        if ledger == "settled":
            curve.append(cash + sum(size * (close - entry) for size, entry in lots) * asset.multiplier * rate)
        elif asset.margin > 0.0:
            cash += held * (close - (base or close)) * asset.multiplier * rate
            base = close
            curve.append(cash)
        else:
            curve.append(cash + held * close * asset.multiplier * rate)
    return curve


def test_a_share_in_yen_is_paid_in_dollars():
    """Bought at 2,000 yen and 0.0070 dollars, sold at 2,200 yen and 0.0065: 4 percent up, not 10."""
    orders = [{"bar": 0, "side": "buy", "size": 100}, {"bar": 2, "action": "close"}]
    rates = {"JPY": [0.0070, 0.0068, 0.0065, 0.0064]}
    result = simulate_orders(
        flat_bars(2000, 2000, 2200, 2200), orders, assets=JPY, currency="USD", rates=rates
    )
    assert result.cash.tolist() == pytest.approx([100_000.0, 98_600.0, 98_600.0, 100_030.0])
    assert result.equity.tolist() == pytest.approx([100_000.0, 99_960.0, 100_030.0, 100_030.0])
    assert result.fills["rate"].to_list() == [0.0070, 0.0065]
    (trade,) = result.trades.rows(named=True)
    assert trade["net_pnl"] == pytest.approx(30.0)
    assert trade["return"] == pytest.approx(30.0 / 1400.0)
    assert (trade["entry_price"], trade["exit_price"], trade["rate"]) == (2000.0, 2200.0, 0.0065)


def test_a_pair_whose_base_is_the_account_brings_its_result_at_its_own_price():
    """10,000 USDJPY from 150 to 151 yen: 10,000 yen, at 151 yen for a dollar."""
    orders = [{"bar": 0, "side": "buy", "size": 10_000}, {"bar": 2, "action": "close"}]
    result = simulate_orders(
        flat_bars(150, 150, 151, 151),
        orders,
        assets=USDJPY,
        currency="USD",
        rules=SETTLED,
        initial_cash=20_000,
    )
    assert result.equity.tolist() == pytest.approx(
        [20_000.0, 20_000.0, 20_000 + 10_000 / 151, 20_000 + 10_000 / 151]
    )


def test_sizes_and_fees_are_account_money():
    bars, rates = flat_bars(2000, 2000, 2000), {"JPY": 0.005}
    sizes = {
        ("value", 1_000.0): 100.0,
        ("equity_fraction", 0.5): 500.0,
        ("target_value", 2_000.0): 200.0,
        ("target_fraction", 0.1): 100.0,
        ("units", 7.0): 7.0,
    }
    for (unit, given_size), expected in sizes.items():
        side = None if unit.startswith("target") else "buy"
        result = simulate_orders(
            bars, [{"bar": 0, "side": side, "size": given_size, "size_unit": unit}], assets=JPY, currency="USD",
            rates=rates, initial_cash=10_000, rules=OrderRules(fee_minimum=3.0, size_for_fee=False),
        )  # fmt: skip
        assert result.fills.select("size", "fee").rows() == [(pytest.approx(expected), 3.0)], unit
    fees = OrderRules(fee_rate=0.01, fee_per_unit=0.02, fee_fixed=1.0)
    order = [{"bar": 0, "side": "buy", "size": 10}]
    result = simulate_orders(bars, order, assets=JPY, currency="USD", rates=rates, rules=fees)
    assert result.fills["fee"].to_list() == [pytest.approx(1.0 + 0.02 * 10 + 0.01 * 10 * 2000 * 0.005)]


def test_what_cannot_be_paid_is_judged_in_account_money():
    bars = flat_bars(2000, 2000, 2000)
    for rate, status in ((0.005, "filled"), (0.0051, "rejected")):
        result = simulate_orders(
            bars, [{"bar": 0, "side": "buy", "size": 100}], assets=JPY, currency="USD", rates={"JPY": rate},
            initial_cash=1_000,
        )  # fmt: skip
        assert result.orders["status"].to_list() == [status]


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("margin", [0.0, 2.0])
def test_liquidation_happens_where_equity_meets_the_maintenance_margin(side, own, margin):
    """The fill of a liquidation leaves exactly the margin that had to be kept."""
    direction = 1.0 if side == "buy" else -1.0
    prices = 150.0 * (1.0 - direction * np.linspace(0.0, 0.4, 41))
    bars = {"open": prices, "close": np.append(prices[1:], prices[-1])}
    bars |= {"high": np.maximum(bars["open"], bars["close"]), "low": np.minimum(bars["open"], bars["close"])}
    rules = OrderRules(ledger="settled", merge_fills=False, leverage=20.0, maintenance=0.01)
    if margin > 0.0:
        # Futures are settled at every close, so that cash and rate of each day count.
        rules = OrderRules(maintenance=0.6)
    cash, size, multiplier = (100.0, 1_000, 1.0) if margin == 0.0 else (250.0, 100, 5.0)
    result = simulate_orders(
        bars, [{"bar": 0, "side": side, "size": size}], currency="USD", rules=rules, initial_cash=cash,
        assets=Asset(quote="JPY", base="USD", margin=margin, multiplier=multiplier),
        rates=None if own else {"JPY": 0.0066},
    )  # fmt: skip
    entry, exit_ = result.fills.rows(named=True)
    assert exit_["reason"] == "liquidation"
    (trade,) = result.trades.rows(named=True)
    rate = 1.0 / exit_["price"] if own else 0.0066
    equity = cash + trade["net_pnl"]
    if not (own and margin > 0.0):
        points = direction * size * multiplier * (exit_["price"] - entry["price"])
        assert trade["net_pnl"] == pytest.approx(points * rate)
    kept = 0.6 * size * margin if margin > 0.0 else 0.01 * size * exit_["price"] * rate
    assert equity == pytest.approx(kept)
    assert result.equity[-1] == pytest.approx(equity)


def test_interest_and_funding_are_exchanged():
    days = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 4), "1d", eager=True)
    bars = pl.DataFrame(flat_bars(2000, 2000, 2000, 2000)).insert_column(0, days.alias("timestamp"))
    order = [{"bar": 0, "side": "buy", "size": 100}]
    common = {"assets": JPY, "currency": "USD", "rates": {"JPY": [0.005, 0.005, 0.006, 0.006]}}
    interest = simulate_orders(bars, order, rules=OrderRules(borrow_long=0.365), **common)
    # One day at the rate of each close that began it.
    assert np.diff(interest.cash).tolist() == pytest.approx([-1000.0, -1.0, -1.2])
    funding = simulate_orders(bars, order, funding=[0.0, 0.0, 0.001, 0.002], **common)
    assert np.diff(funding.cash).tolist() == pytest.approx([-1000.0, -1.2, -2.4])


def test_one_account_holds_assets_of_three_currencies():
    bars = {
        "AAPL": flat_bars(100, 100, 110),
        "7203": flat_bars(2000, 2000, 2100),
        "SAP": flat_bars(50, 50, 60),
    }
    orders = [{"bar": 0, "side": "buy", "size": 10, "asset": name} for name in bars]
    result = simulate_orders(
        bars, orders, currency="USD", initial_cash=10_000,
        assets={"7203": JPY, "AAPL": Asset(quote="USD"), "SAP": Asset(quote="EUR")},
        rates={"EUR": [1.1, 1.1, 1.2], "JPY": 0.005},
    )  # fmt: skip
    assert result.equity.tolist() == pytest.approx([10_000.0, 10_000.0, 10_000 + 100 + 5 + (720 - 550)])


def test_a_missing_rate_is_the_last_one():
    orders = [{"bar": 0, "side": "buy", "size": 1}]
    rates = {"JPY": [0.5, np.nan, np.nan, 1.0]}
    result = simulate_orders(flat_bars(10, 10, 20, 20), orders, assets=JPY, currency="USD", rates=rates)
    assert (result.equity - 100_000).tolist() == [0.0, 0.0, 5.0, 15.0]


def test_a_block_sees_the_rate():
    @strategy(name="in_yen")
    def in_yen(i, bars, params, memory, account, orders):
        if i == 1:
            place_market(orders, BUY, account[EQUITY] * account[RATE], unit=VALUE)

    rates = {"JPY": [0.5, 0.25, 0.125]}
    result = simulate_orders(
        flat_bars(4, 4, 4), in_yen, assets=JPY, currency="USD", rates=rates, initial_cash=64
    )
    assert result.fills["size"].to_list() == [16.0]


def test_a_short_that_has_doubled_can_be_worth_less_than_nothing():
    """Without short proceeds a short of 10 at 10 ties up 100 and has lost 150 at 25; contract size 2."""
    orders = [{"bar": 0, "side": "sell", "size": 10}]
    rules = OrderRules(short_proceeds=False, afford="any")
    for multiplier in (1.0, 2.0):
        result = simulate_orders(
            flat_bars(10, 10, 25),
            orders,
            initial_cash=1_000,
            rules=rules,
            assets=Asset(multiplier=multiplier),
        )
        assert result.equity.tolist() == [1_000.0, 1_000.0, 1_000.0 - 150.0 * multiplier]


BAD = [
    ({}, ConfigError, "currency"),
    ({"currency": "USD"}, ConfigError, r"rates=\{'JPY'"),
    ({"currency": "USD", "rates": {"EUR": 1.1}}, ConfigError, "got rates for: EUR"),
    ({"currency": "USD", "rates": 0.5}, ConfigError, "expected a dict"),
    ({"currency": 5}, ConfigError, "currency"),
    ({"currency": "USD", "rates": {"JPY": [0.5, 0.5]}}, DataError, r"expected a number, or \(3,\)"),
    ({"currency": "USD", "rates": {"JPY": [np.nan, 0.5, 0.5]}}, DataError, "first bar"),
    ({"currency": "USD", "rates": {"JPY": [0.5, -0.5, 0.5]}}, DataError, "at bar 1"),
    ({"currency": "USD", "rates": {"JPY": [0.5, np.inf, 0.5]}}, DataError, "at bar 1"),
    ({"currency": "USD", "rates": {"JPY": "cheap"}}, DataError, "expected a number"),
    ({"currency": "USD", "assets": USDJPY}, ConfigError, "ledger='settled'"),
    ({"rates": {"JPY": 0.5}, "assets": Asset()}, ConfigError, "no asset is quoted"),
]


@pytest.mark.parametrize(("arguments", "error", "match"), BAD)
def test_bad_input_is_one_clear_error(arguments, error, match):
    with pytest.raises(error, match=match):
        simulate_orders(flat_bars(1, 1, 1), [{"bar": 0, "action": "close"}], **({"assets": JPY} | arguments))


@pytest.mark.parametrize("value", [3, None, ["JPY"]])
def test_a_currency_is_a_name(value):
    with pytest.raises(ConfigError, match="name of a currency"):
        Asset(quote=value)
