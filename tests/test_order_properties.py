"""Order kernel: equal to the plain-Python oracle, and what must hold whatever the orders are."""

import math

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Costs, Execution, FixedUnits, Stops
from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import OrderRules
from peak_kernels import order_slots as f
from tests.oracle_orders import Oracle

KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop")


def make_bars(rng, count):
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    open_ = np.concatenate(([close[0]], close[:-1])) * np.exp(rng.normal(0, 0.01, count))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.008, count)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.008, count)))
    prices = {"open": open_, "high": high, "low": low, "close": close}
    bars = {name: np.round(values, 1) for name, values in prices.items()}
    bars["volume"] = rng.integers(0, 300, count).astype(float)
    return bars


def make_orders(rng, bars, count):
    """Random instructions: (rows for simulate_orders, specifications for the oracle)."""
    rows, specs = [], []
    for number in range(count):
        bar = int(rng.integers(0, len(bars["close"]) - 1))
        close, side = bars["close"][bar], 1 if rng.random() < 0.5 else -1
        if specs and rng.random() < 0.1:
            of = specs[int(rng.integers(len(specs)))]
            if "kind" in of and of["bar"] <= bar:
                rows.append({"bar": bar, "action": "cancel", "tag": of["name"]})
                specs.append({"bar": bar, "action": "cancel", "of": of})
            continue
        kind = str(rng.choice(KINDS))

        def away(low, high, close=close, side=side):
            return round(float(close * (1 + side * rng.uniform(low, high))), 1)

        spec = {"bar": bar, "kind": kind, "side": side, "size": float(rng.integers(0, 60))}
        if kind == "limit":
            spec["limit"] = away(-0.03, 0.01)
        if kind in ("stop", "stop_limit"):
            spec["stop"] = away(-0.01, 0.03)
        if kind == "stop_limit":
            spec["limit"] = away(-0.02, 0.04)
        if kind == "trailing_stop":
            spec["trail"] = round(float(rng.uniform(0.01, 0.04)), 3)
        if rng.random() < 0.4:
            spec["stop_loss"] = away(-0.06, -0.01)
        if rng.random() < 0.4:
            spec["take_profit"] = away(0.01, 0.06)
        if rng.random() < 0.3:
            spec["valid"] = bar + int(rng.integers(0, 8))
        if rng.random() < 0.15:
            spec["tif"] = str(rng.choice(["ioc", "fok"]))
        if rng.random() < 0.2:
            spec["oco"] = int(rng.integers(3))
        if rng.random() < 0.15:
            spec["reduce"] = True
        parents = [other for other in specs if "kind" in other and other["bar"] <= bar]
        if parents and rng.random() < 0.15:
            spec["parent"] = parents[int(rng.integers(len(parents)))]
        spec["name"] = f"order {number}"
        specs.append(spec)
        rows.append(row_of(spec))
    order = sorted(range(len(specs)), key=lambda n: specs[n]["bar"])
    return [rows[n] for n in order], [specs[n] for n in order]


def row_of(spec):
    row = {"bar": spec["bar"], "type": spec["kind"], "side": "buy" if spec["side"] > 0 else "sell"}
    row |= {"size": spec["size"], "tag": spec["name"], "reduce_only": bool(spec.get("reduce"))}
    for name in ("limit", "stop", "trail", "stop_loss", "take_profit"):
        row[name] = spec.get(name)
    row["valid_until"] = spec.get("valid")
    row["time_in_force"] = spec.get("tif")
    row["oco_group"] = None if spec.get("oco") is None else f"group {spec['oco']}"
    row["parent"] = spec["parent"]["name"] if spec.get("parent") else None
    return row


def settings_of(rng):
    share = None if rng.random() < 0.5 else float(rng.choice([0.05, 0.25]))
    return {
        "rate": float(rng.choice([0.0, 0.001])),
        "fixed": float(rng.choice([0.0, 1.5])),
        "slippage": float(rng.choice([0.0, 0.002])),
        "share": share,
        "leverage": float(rng.choice([1.0, 3.0])),
        "target_first": bool(rng.random() < 0.3),
    }


def rules_of(settings):
    return OrderRules(
        fee_rate=settings["rate"],
        fee_fixed=settings["fixed"],
        slippage="fraction" if settings["slippage"] else "none",
        slippage_amount=settings["slippage"],
        volume="any" if settings["share"] is None else "share",
        volume_amount=0.0 if settings["share"] is None else settings["share"] * 100.0,
        leverage=settings["leverage"],
        target_first=settings["target_first"],
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_kernel_equals_the_plain_python_oracle(seed):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows, specs = make_orders(rng, bars, 14)
    if not rows:
        return
    settings, cash = settings_of(rng), float(rng.choice([2_000.0, 20_000.0]))
    ours = simulate_orders(bars, rows, initial_cash=cash, rules=rules_of(settings))
    for spec in specs:
        spec.pop("name", None)
    assert_same_run(ours, Oracle(bars, specs, cash=cash, **settings).run())


def assert_same_run(ours, found):
    """Fills, ends of orders and curves of a result are those that an oracle found."""
    fills, orders, equity, cash_curve, position = found
    table = ours.fills
    assert table["bar"].to_list() == [fill[0] for fill in fills]
    assert table["side"].to_list() == [fill[1] for fill in fills]
    for name, place in (("size", 2), ("price", 3), ("fee", 4)):
        np.testing.assert_allclose(
            table[name].to_numpy(), [fill[place] for fill in fills], rtol=1e-9, atol=1e-9
        )
    theirs = [(order["status"], order["reason"]) for order in orders]
    assert ours.orders.select("status", "reason").rows() == theirs
    np.testing.assert_allclose(ours.equity, equity, rtol=1e-9)
    np.testing.assert_allclose(ours.cash, cash_curve, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(ours.position[0], position, rtol=1e-9, atol=1e-9)


RULES = (
    OrderRules(),
    OrderRules(volume="share", volume_amount=10.0),
    OrderRules(path="worst"),
    OrderRules(path="ohlc", exits_active="same_bar"),
    OrderRules(ledger="settled", merge_fills=False, hedging=True, leverage=2.0),
    OrderRules(shortfall="cut", slippage="volume_root", slippage_amount=0.1, slip_cap="range"),
    OrderRules(market_fill="same_close", limit_fill="through", latency=0),
    OrderRules(latency=2, limit_fill="chance", limit_chance=0.4, seed=7),
    OrderRules(maintenance=0.2, leverage=4.0, borrow_cash=0.1, borrow_short=0.05),
    OrderRules(path="nearest", volume="share", volume_amount=10.0, volume_shared=False),
    OrderRules(path="best", market_fill="same_close", volume="share", volume_amount=10.0, fee_rate=0.001),
    OrderRules(max_drawdown=0.05, daily_loss=0.01, finalize="close", fee_fixed=1.0, leverage=2.0),
    OrderRules(
        path="olhc",
        maintenance=0.3,
        leverage=3.0,
        liquidation_fee=0.01,
        fee_minimum=2.0,
        short_proceeds=False,
    ),
)


@given(seed=st.integers(0, 2**32 - 1), rules=st.sampled_from(RULES))
def test_invariants_hold_under_all_rules(seed, rules):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows, _ = make_orders(rng, bars, 14)
    if not rows:
        return
    result = simulate_orders(bars, rows, initial_cash=5_000.0, rules=rules)
    fills = result.fills
    check_prices(bars, rules, fills)
    if rules.volume == "share":
        used = fills.group_by("bar" if rules.volume_shared else ("bar", "order_id")).agg(pl.col("size").sum())
        for bar, size in used.select("bar", "size").rows():
            assert size <= bars["volume"][bar] * rules.volume_amount / 100.0 * (1 + 1e-12)
    check_ends(result)
    check_equity(result, bars["close"][-1])
    position = np.zeros(40)
    for bar, side, size in fills.select("booked_bar", "side", "size").rows():
        position[bar:] += side * size
    np.testing.assert_allclose(position, result.position[0], atol=1e-7)
    if rules.ledger == "paid" and rules.leverage == 1.0:
        np.testing.assert_allclose(
            result.cash + result.position[0] * bars["close"], result.equity, rtol=1e-12
        )


def check_prices(bars, rules, fills):
    """No fill outside the bar's range without a setting that says so."""
    if rules.slippage != "none" and rules.slip_cap == "free":
        return
    for bar, price in fills.select("bar", "price").rows():
        assert bars["low"][bar] * (1 - 1e-12) <= price <= bars["high"][bar] * (1 + 1e-12)


def check_equity(result, close):
    """Cash, results of closed trades and of open lots at the last close, and interest on cash are the equity."""
    lots = result.records.lots[result.records.lots[:, f.L_OPEN] > 0.0]
    open_results = (
        lots[:, f.L_SIZE] * (close - lots[:, f.L_PRICE]) - lots[:, f.L_FEE] + lots[:, f.L_FINANCING]
    )
    assert math.isclose(open_results.sum(), result.stats["open_pnl"], rel_tol=1e-9, abs_tol=1e-9)
    total = 5_000.0 + result.trades["net_pnl"].sum() + open_results.sum() + result.stats["cash_interest"]
    assert math.isclose(result.equity[-1], total, rel_tol=1e-9)


def check_ends(result):
    """Every order ends exactly once, with the status and reason of its last event; unfilled ones with a reason."""
    last = result.log.group_by("order_id", maintain_order=True).last().sort("order_id")
    assert last.select("status", "reason").equals(result.orders.select("status", "reason"))
    assert (result.log["bar"].diff().drop_nulls() >= 0).all()
    final = result.log.filter(result.log["status"].is_in(["filled", "cancelled", "expired", "rejected"]))
    assert sorted(final["order_id"].to_list()) == list(range(result.orders.height))
    unfilled = result.orders.filter(result.orders["status"] != "filled")
    assert "" not in unfilled["reason"].to_list()
    assert (result.orders["filled"] <= result.orders["size"] * (1 + 1e-9) + 1e-12).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_one_cancels_other_never_fills_two(seed):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 30)
    close = bars["close"][0]
    order = {"bar": 0, "size": 5, "oco_group": "g"}
    rows = [
        {**order, "type": "limit", "side": "buy", "limit": round(close * 0.99, 1)},
        {**order, "type": "stop", "side": "buy", "stop": round(close * 1.01, 1)},
        {**order, "type": "stop", "side": "sell", "stop": round(close * 0.98, 1)},
    ]
    result = simulate_orders(bars, rows, initial_cash=10_000.0)
    assert result.fills.height <= 1
    assert math.isclose(result.equity[0], 10_000.0)


@given(seed=st.integers(0, 2**32 - 1))
def test_market_orders_with_exits_equal_the_engine_of_signal_strategies(seed):
    """Same targets, two machines: the engine's event loop and the order book."""
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 60)
    targets = np.repeat(rng.choice([-1, 0, 1], 20), 3).astype(np.int8)
    execution = Execution(
        fill_at=str(rng.choice(["next_open", "close"])),
        both_hit=str(rng.choice(["stop_first", "target_first"])),
        entry_bar_stops=bool(rng.random() < 0.5),
    )
    costs = Costs(
        rate=0.001,
        fixed=float(rng.choice([0, 1])),
        maker_rate=0.0004,
        slippage_bps=float(rng.choice([0, 10])),
    )
    stop, target = (None if rng.random() < 0.3 else 0.02), (None if rng.random() < 0.3 else 0.03)
    engine = BacktestEngine(
        initial_cash=1e6,
        execution=execution,
        costs=costs,
        sizing=FixedUnits(units=100),
        stops=Stops(stop_loss=stop, take_profit=target),
    )
    theirs = engine.run(bars, targets)
    exits = {"stop_loss": stop, "take_profit": target, "exit_unit": "fraction"}
    rows = [
        {"bar": int(bar), "size": 100 * int(targets[bar]), "size_unit": "target_units", **exits}
        for bar in np.flatnonzero(np.diff(targets, prepend=0))
    ]
    ours = simulate_orders(
        bars, rows or [{"bar": 0, "action": "close"}], initial_cash=1e6, costs=costs, execution=execution
    )
    columns = ("bar", "side", "size", "price", "fee")
    np.testing.assert_allclose(
        ours.fills.select(columns).to_numpy(), theirs.fills.select(columns).to_numpy(), rtol=1e-9
    )
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-12)


MARGINS = (
    OrderRules(leverage=4.0, maintenance=0.2),
    OrderRules(maintenance=1e-12, shortfall="cut", afford="any", leverage=10.0),
    OrderRules(ledger="settled", merge_fills=False, hedging=True, leverage=5.0, maintenance=0.5, latency=1),
    OrderRules(leverage=3.0, maintenance=1.0, path="worst", market_fill="same_close", exclusive=True),
)


@given(seed=st.integers(0, 2**32 - 1), rules=st.sampled_from(MARGINS))
def test_bars_that_are_passed_over_change_nothing(seed, rules):
    """A funding rate of zero makes the kernel look at every bar; without one it waits for the margin's price."""
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 60)
    rows, _ = make_orders(rng, bars, 10)
    if not rows:
        return
    rows = [row | {"stop_loss": None, "take_profit": None} for row in rows]
    passing, looking = (
        simulate_orders(bars, rows, initial_cash=1_500.0, rules=rules, funding=funding)
        for funding in (None, 0.0)
    )
    assert passing.equity.tolist() == looking.equity.tolist()
    assert passing.cash.tolist() == looking.cash.tolist()
    assert passing.fills.equals(looking.fills)
    assert passing.log.equals(looking.log)


def test_margins_of_the_property_are_called():
    """The property above says something: margins end."""
    ends = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        bars = make_bars(rng, 60)
        rows, _ = make_orders(rng, bars, 10)
        ends += (
            "liquidation"
            in simulate_orders(bars, rows, initial_cash=1_500.0, rules=MARGINS[0]).fills["reason"]
        )
    assert ends >= 3
