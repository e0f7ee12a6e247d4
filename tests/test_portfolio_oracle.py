"""Portfolios against the oracle, and properties that hold for every run."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Costs, Execution, Panel, PortfolioRules, RiskLimits
from peak_fast.settings import Asset
from tests import oracle_portfolio as oracle

SYMBOLS = ("C", "A", "D", "B")
EIGHTHS = st.integers(1, 480).map(lambda n: n / 8)


@st.composite
def price_tables(draw, most_bars=12, missing=True):
    """By symbol one bar or None; at least one bar of the panel has a price."""
    count = draw(st.integers(2, most_bars))
    symbols = SYMBOLS[: draw(st.integers(1, 4))]
    table = {}
    for symbol in symbols:
        bars = []
        for _ in range(count):
            first, last = draw(EIGHTHS), draw(EIGHTHS)
            bars.append((first, max(first, last) + 0.25, min(first, last), last))
        if missing:
            for bar in range(count):
                if draw(st.integers(0, 5)) == 0:
                    bars[bar] = None
            gone = draw(st.integers(1, 3 * count))
            bars[gone:] = [None] * len(bars[gone:])
        table[symbol] = bars
    # The first asset is there throughout: the panel has all bars.
    first = table[symbols[0]]
    table[symbols[0]] = [bar or (8.0, 8.25, 8.0, 8.0) for bar in first]
    return table


@st.composite
def weight_rows(draw, table, long_only=False):
    bars = len(table[SYMBOLS[0]])
    rows = {}
    for bar in sorted(draw(st.sets(st.integers(0, bars - 1), min_size=1, max_size=bars))):
        lowest = 0 if long_only else -16
        row = {s: draw(st.integers(lowest, 20)) / 16 for s in table if draw(st.integers(0, 6)) > 0}
        if row:
            rows[bar] = row
    return rows


costs_of = st.builds(
    oracle.Costs,
    rate=st.sampled_from([0.0, 0.001, 0.015625]),
    fixed=st.sampled_from([0.0, 0.0, 1.0]),
    minimum=st.sampled_from([0.0, 0.0, 3.0]),
    per_unit=st.sampled_from([0.0, 0.0, 0.03125]),
    slippage_bps=st.sampled_from([0.0, 10.0, 156.25]),
    slippage_abs=st.sampled_from([0.0, 0.0, 0.0625]),
)


@st.composite
def rules_of(draw):
    fill_at = draw(st.sampled_from(["next_open", "close", "next_close"]))
    fee_from = draw(st.sampled_from(["cash", "cash", "cash", "amount", "position"]))
    costs = draw(costs_of)
    own = {"A": draw(costs_of)} if draw(st.booleans()) else {}
    if fee_from != "cash":
        costs, own = oracle.Costs(rate=costs.rate, slippage_bps=costs.slippage_bps), {}
    rounds = {"cash": ["order", "target"], "amount": ["order", "down"], "position": ["order"]}[fee_from]
    share = st.sampled_from([None, None, 0.5, 0.75, 1.0])
    return oracle.Rules(
        costs=costs,
        own_costs=own,
        multipliers={"A": 4.0} if draw(st.integers(0, 3)) == 0 else {},
        groups={"A": "x", "B": "x", "C": "y"},
        fill_at=fill_at,
        size_at=draw(st.sampled_from(["fill", "reference", "decision"])),
        mark_at=draw(st.sampled_from(["close", "open"])) if fill_at == "next_open" else "close",
        short_cash=draw(st.sampled_from(["scale", "scale", "cut_last", "priority", "reject", "ignore"])),
        sequence=draw(st.sampled_from(["smallest_first", "largest_first", "by_weight", "by_symbol"])),
        fee_from=fee_from,
        round_lots=draw(st.sampled_from(rounds)),
        buying_power=draw(st.sampled_from(["equity", "cash"])),
        shorts=draw(st.sampled_from(["allowed", "allowed", "refused"])),
        missing=draw(st.sampled_from(["wait", "drop"])),
        delisted=draw(st.sampled_from(["last_price", "zero", "hold", 0.25])),
        lot_size=draw(st.sampled_from([0.0, 0.0, 1.0, 0.25])),
        min_size=draw(st.sampled_from([0.0, 0.0, 2.0])),
        leverage=draw(st.sampled_from([1.0, 1.0, 2.0, 0.5])),
        cash_buffer=draw(st.sampled_from([0.0, 0.0, 0.0625])),
        min_trade=draw(st.sampled_from([0.0, 0.0, 40.0])),
        band=draw(st.sampled_from([0.0, 0.0, 0.03125])),
        max_gross=draw(share),
        max_net=draw(share),
        max_group=draw(share),
        max_position=draw(share),
    )


@st.composite
def cases(draw, **options):
    table = draw(price_tables(**options))
    return table, draw(weight_rows(table)), draw(rules_of())


def panel_of(table, rules, hours=24):
    """Panel of a table of prices, a bar every so many hours."""
    bars = len(next(iter(table.values())))
    days = np.datetime64("2024-01-01", "us") + np.arange(bars) * np.timedelta64(hours, "h")
    frames = {}
    for symbol, rows in table.items():
        values = np.array([row or (math.nan,) * 4 for row in rows])
        names = ("open", "high", "low", "close")
        frames[symbol] = {"timestamp": days, **{name: values[:, k] for k, name in enumerate(names)}}
    assets = {
        symbol: Asset(multiplier=scale) for symbol, scale in rules.multipliers.items() if symbol in table
    }
    groups = {symbol: group for symbol, group in rules.groups.items() if symbol in table}
    return Panel.from_frame(frames, assets=assets, groups=groups or None)


def engine_of(rules, table):
    def settings(costs):
        return Costs(
            rate=costs.rate, fixed=costs.fixed, minimum=costs.minimum, per_unit=costs.per_unit,
            slippage_bps=costs.slippage_bps, slippage_abs=costs.slippage_abs,
        )  # fmt: skip

    same = (
        "fill_at", "size_at", "mark_at", "short_cash", "sequence", "fee_from", "round_lots", "buying_power", "shorts",
        "missing", "delisted", "cash_buffer", "min_trade", "band", "max_gross", "max_net", "max_group",
    )  # fmt: skip
    own = {symbol: settings(costs) for symbol, costs in rules.own_costs.items() if symbol in table}
    portfolio = PortfolioRules(
        over_invested="allowed", costs=own, **{name: getattr(rules, name) for name in same}
    )
    execution = Execution(lot_size=rules.lot_size, min_size=rules.min_size, leverage=rules.leverage)
    return BacktestEngine(
        initial_cash=rules.initial_cash, costs=settings(rules.costs), execution=execution, portfolio=portfolio,
        risk_limits=RiskLimits(
            max_position=rules.max_position, max_drawdown=rules.max_drawdown, daily_loss=rules.daily_loss
        ),
    )  # fmt: skip


def pair_of(rows, symbols):
    """Bars and weights of rows by symbol; those not named are left alone."""
    weights = np.full((len(rows), len(symbols)), math.nan)
    for k, row in enumerate(rows.values()):
        for symbol, weight in row.items():
            weights[k, symbols.index(symbol)] = weight
    return np.array(list(rows), dtype=np.int64), weights


def run(table, rows, rules):
    panel = panel_of(table, rules)
    return engine_of(rules, table).run(panel, pair_of(rows, panel.symbols))


def near(actual, expected, scale=1000.0):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale)


def shown(order):
    return (order.filled_at, order.decided, order.symbol, order.side, order.kind, order.status, order.reason)


@given(cases())
def test_kernel_equals_oracle(case):
    check_equal(*case)


def check_equal(table, rows, rules):
    """The kernel's run is the oracle's."""
    return check_same(run(table, rows, rules), oracle.run(table, rows, rules))


def check_same(result, account, scale=1000.0):
    """Orders with bars, sides and reasons exactly; sizes, prices, fees and equity to 1e-9."""
    frame = result.orders
    ours = list(
        zip(
            frame["fill_bar"].fill_null(-1).to_list(), frame["bar"].to_list(), frame["symbol"].to_list(),
            [1 if side == "buy" else -1 for side in frame["side"]], frame["kind"].to_list(),
            frame["status"].to_list(), frame["reason"].to_list(), range(frame.height), strict=True,
        )
    )  # fmt: skip
    ours.sort()
    theirs = sorted(account.orders, key=shown)
    assert [row[:-1] for row in ours] == [shown(order) for order in theirs]
    places = [row[-1] for row in ours]
    for name, attribute in (("requested", "requested"), ("filled", "filled"), ("fee", "fee")):
        near(frame[name].to_numpy()[places], [getattr(order, attribute) for order in theirs], scale)
    near(frame["price"].fill_null(0.0).to_numpy()[places], [order.price for order in theirs])
    near(result.equity, account.equity, scale)
    near(result.cash, account.cash_at, scale)
    return result


@given(cases(), st.permutations(range(4)))
def test_the_order_of_assets_does_not_matter(case, sequence):
    table, rows, rules = case
    names = [SYMBOLS[place] for place in sequence if SYMBOLS[place] in table]
    one, other = run(table, rows, rules), run({name: table[name] for name in names}, rows, rules)
    near(one.equity, other.equity)
    columns = ["fill_bar", "bar", "symbol", "side", "kind", "status", "reason", "requested", "filled", "fee"]
    first, second = (result.orders.select(columns).sort(columns[:8]) for result in (one, other))
    assert first.select(columns[:7]).equals(second.select(columns[:7]))
    for name in columns[7:]:
        near(first[name].to_numpy(), second[name].to_numpy())


@given(cases())
def test_money_is_conserved_and_contributions_sum(case):
    table, rows, rules = case
    result = run(table, rows, rules)
    fills, gained = result.fills, result.contributions["contribution"]
    scale = {symbol: rules.multipliers.get(symbol, 1.0) for symbol in table}
    value = sum(
        -side * size * price * scale[symbol] - fee
        for symbol, side, size, price, fee in fills.select(
            "symbol", "side", "size", "price", "fee"
        ).iter_rows()
    )
    near(result.cash[-1], rules.initial_cash + value)
    near(result.equity[-1] - rules.initial_cash, gained.sum())
    near(gained.sum(), result.trades["net_pnl"].sum())
    # What is held at each close, and the cash beside it, is the equity there.
    if rules.mark_at == "close":
        near(result.cash + result.exposures[0] - result.exposures[1], result.equity)
    held = {name: result.positions[name].to_numpy() for name in table}
    for name in table:
        sizes = (
            fills.filter(fills["symbol"] == name)["side"] * fills.filter(fills["symbol"] == name)["size"]
        ).sum()
        near(held[name][-1] if len(held[name]) else 0.0, sizes)


@given(cases())
def test_nothing_fills_without_a_price(case):
    table, rows, rules = case
    place = 0 if rules.fill_at == "next_open" else 3
    for bar, symbol, reason, price in (
        run(table, rows, rules).fills.select("bar", "symbol", "reason", "price").iter_rows()
    ):
        if reason == "delisted":
            assert table[symbol][bar] is None
            assert rules.delisted != "hold"
            continue
        assert table[symbol][bar] is not None
        worst = 1 + 156.25 / 10_000
        assert (
            abs(price - table[symbol][bar][place]) <= table[symbol][bar][place] * (worst - 1) + 0.0625 + 1e-12
        )


@given(cases(missing=False), st.integers(1, 11))
def test_the_past_does_not_know_the_future(case, cut):
    table, rows, rules = case
    bars = len(next(iter(table.values())))
    cut = min(cut, bars - 1)
    whole = run(table, rows, rules)
    part = run(
        {symbol: prices[:cut] for symbol, prices in table.items()},
        {bar: row for bar, row in rows.items() if bar < cut} or {0: {}},
        rules,
    )
    np.testing.assert_array_equal(whole.equity[:cut], part.equity)
    early = whole.fills.filter(whole.fills["bar"] < cut)
    assert early.drop("order_id").equals(part.fills.drop("order_id"))
    changed = {
        symbol: prices[:cut] + [tuple(price * 1.5 for price in bar) for bar in prices[cut:]]
        for symbol, prices in table.items()
    }
    np.testing.assert_array_equal(whole.equity[:cut], run(changed, rows, rules).equity[:cut])


@given(cases(), st.sampled_from([0.25, 4.0, 64.0]))
def test_ten_times_the_money_is_ten_times_the_portfolio(case, factor):
    """Where costs, lots and limits know no amounts, everything scales; by a power of two to the last bit."""
    table, rows, rules = case
    rules.costs = oracle.Costs(rate=rules.costs.rate, slippage_bps=rules.costs.slippage_bps)
    rules.own_costs, rules.lot_size, rules.min_size, rules.min_trade = {}, 0.0, 0.0, 0.0
    one = run(table, rows, rules)
    rules.initial_cash *= factor
    np.testing.assert_array_equal(run(table, rows, rules).equity, one.equity * factor)


@given(cases())
def test_a_name_that_is_never_wanted_changes_nothing(case):
    table, rows, rules = case
    one = run(table, rows, rules)
    more = {**table, "AA": [(7.0, 8.0, 6.0, 7.5)] * len(table[SYMBOLS[0]])}
    other = run(more, {bar: {**row, "AA": 0.0} for bar, row in rows.items()}, rules)
    np.testing.assert_array_equal(one.equity, other.equity)
    assert one.orders.equals(other.orders)


@st.composite
def lonely_cases(draw):
    """One asset, weights that change from row to row and need no more than there is."""
    table = draw(price_tables())
    table = {"C": table["C"]}
    bars, weights, last = len(table["C"]), {}, 0.0
    for bar in range(bars):
        weight = draw(st.integers(-16, 16)) / 16
        if weight != last and draw(st.booleans()):
            weights[bar] = last = weight
    rules = oracle.Rules(
        costs=draw(costs_of),
        fill_at=draw(st.sampled_from(["next_open", "close"])),
        lot_size=draw(st.sampled_from([0.0, 0.0, 1.0, 0.25])),
        min_size=draw(st.sampled_from([0.0, 2.0])),
        leverage=draw(st.sampled_from([1.0, 2.0])),
        max_position=draw(st.sampled_from([None, 0.5])),
        delisted="hold",
    )
    return table, weights, rules


@given(lonely_cases())
def test_one_asset_is_the_engine_with_weights(case):
    """Bit for bit, as long as nothing is liquidated: shorts of weights end at ruin in the engine alone."""
    table, weights, rules = case
    bars = len(table["C"])
    row = np.full(bars, math.nan)
    for bar, weight in weights.items():
        row[bar] = weight
    panel = panel_of(table, oracle.Rules())
    engine = engine_of(rules, table)
    many = engine.run(
        panel,
        (np.array(list(weights), dtype=np.int64), np.array([[w] for w in weights.values()]).reshape(-1, 1)),
    )
    engine.portfolio = None
    engine.execution = engine.execution.model_copy(update={"fill_at": rules.fill_at})
    frame = {
        name: np.array([bar[k] if bar else math.nan for bar in table["C"]])
        for k, name in enumerate(("open", "high", "low", "close"))
    }
    one = engine.run(frame, row, weights=True)
    if "liquidation" in one.orders["kind"].to_list():
        return
    np.testing.assert_array_equal(many.equity, one.equity)
    np.testing.assert_array_equal(many.cash, one.cash)
    columns = ["bar", "side", "size", "price", "fee", "slippage"]
    assert many.fills.select(columns).equals(one.fills.select(columns))
