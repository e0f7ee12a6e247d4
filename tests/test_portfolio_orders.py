"""Orders for several assets that share one account: tables and blocks over a panel."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import (
    BacktestEngine,
    Bars,
    ConfigError,
    Costs,
    DataError,
    Execution,
    Financing,
    Panel,
    Param,
    PortfolioResult,
    PortfolioRules,
    RiskLimits,
    Stops,
    Sweep,
    strategy,
    synthetic,
)
from peak_fast.orders import BUY, CLOSE, SELL, Asset, OrderRules, place_limit, place_market, simulate_orders
from peak_fast.report import contributions_figure, weights_figure
from peak_fast.settings import OrderBook
from tests.oracle_orders_purse import PurseOracle
from tests.test_order_properties import RULES, make_bars, make_orders, rules_of, settings_of

COUNT = 40
NAMES = ("A", "B", "C")


def frames(rng, gaps):
    """Frames of the assets on one calendar; with gaps some bars are missing, and some assets come late or end early."""
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 3, 1), "1d", eager=True)[:COUNT]
    found, whole = {}, []
    for name in NAMES:
        bars = make_bars(rng, COUNT)
        there = np.ones(COUNT, bool)
        if gaps:
            there = rng.random(COUNT) < 0.9
            there[: int(rng.integers(0, 8))] = False
            there[COUNT - int(rng.integers(0, 8)) :] = False
        found[name] = pl.DataFrame({"timestamp": days, **bars}).filter(there)
        whole.append({key: np.where(there, values, np.nan) for key, values in bars.items()})
    # One asset has every bar, so that the calendar is the whole of it.
    full = make_bars(rng, COUNT)
    found["D"] = pl.DataFrame({"timestamp": days, **full})
    whole.append(full)
    return found, whole


def orders_of(rng, whole, count):
    """Random instructions for all assets: rows of a table, and specifications for the oracle."""
    rows, specs = [], []
    for asset, bars in enumerate(whole):
        there = np.flatnonzero(~np.isnan(bars["close"]))
        filled = {
            name: values[there[np.maximum(np.searchsorted(there, np.arange(COUNT), side="right") - 1, 0)]]
            for name, values in bars.items()
        }
        for row, spec in zip(*make_orders(rng, filled, count), strict=True):
            named = {key: f"{asset} {row[key]}" for key in ("tag", "parent") if row.get(key) is not None}
            rows.append({**row, **named, "symbol": (*NAMES, "D")[asset]})
            spec["asset"] = asset
            specs.append(spec)
    order = sorted(range(len(rows)), key=lambda n: rows[n]["bar"])
    return [rows[n] for n in order], [specs[n] for n in order]


def engine_of(settings, cash):
    return BacktestEngine(initial_cash=cash, order_book=OrderBook(rules=rules_of(settings)))


@pytest.mark.parametrize("gaps", [False, True])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_book_of_a_panel_equals_the_accountant_of_one_purse(gaps, seed):
    rng = np.random.default_rng(seed)
    given_frames, whole = frames(rng, gaps)
    rows, specs = orders_of(rng, whole, 6)
    if not rows:
        return
    settings, cash = settings_of(rng), float(rng.choice([3_000.0, 20_000.0]))
    result = engine_of(settings, cash).run(Panel.from_frame(given_frames), rows)
    for spec in specs:
        spec.pop("name", None)
    fills, orders, equity, money, _ = PurseOracle(whole, specs, cash=cash, **settings).run()
    found = result.fills
    assert found["bar"].to_list() == [fill[0] for fill in fills]
    assert found["side"].to_list() == [fill[1] for fill in fills]
    for name, place in (("size", 2), ("price", 3), ("fee", 4)):
        np.testing.assert_allclose(
            found[name].to_numpy(), [fill[place] for fill in fills], rtol=1e-9, atol=1e-9
        )
    theirs = [(order["status"], order["reason"]) for order in orders]
    assert result.book.orders.select("status", "reason").rows() == theirs
    np.testing.assert_allclose(result.equity, equity, rtol=1e-9)
    if settings["leverage"] == 1.0:
        np.testing.assert_allclose(result.cash, money, rtol=1e-9, atol=1e-6)


NO_HEDGES = [rules for rules in RULES if not rules.hedging]


@given(seed=st.integers(0, 2**32 - 1), rules=st.sampled_from(NO_HEDGES))
def test_money_and_positions_add_up_under_all_rules(seed, rules):
    rng = np.random.default_rng(seed)
    given_frames, whole = frames(rng, gaps=bool(seed % 2))
    rows, _ = orders_of(rng, whole, 5)
    if not rows:
        return
    assets = {
        "A": Asset(multiplier=2.0),
        "B": Asset(multiplier=5.0, margin=40.0),
        "C": Asset(lot=0.5, tick=0.05),
    }
    panel = Panel.from_frame(given_frames).told(assets=assets)
    result = BacktestEngine(initial_cash=20_000.0, order_book=OrderBook(rules=rules)).run(panel, rows)
    gained = result.equity[-1] - 20_000.0 - result.stats["cash_interest"]
    assert result.contributions["contribution"].sum() == pytest.approx(gained, rel=1e-9, abs=1e-6)
    assert result.trades["net_pnl"].sum() == pytest.approx(gained, rel=1e-9, abs=1e-6)
    assert result.stats["total_trades"] == result.trades.height
    assert result.stats["total_fees"] == pytest.approx(result.fills["fee"].sum(), rel=1e-12)
    held = result.exposure["long"] - result.exposure["short"]
    np.testing.assert_allclose(result.cash + held * result.equity, result.equity, rtol=1e-9)
    bars, units = result.positions_at_fills
    last = np.searchsorted(bars, np.arange(COUNT), side="right")
    whole_units = np.vstack([np.zeros((1, panel.n_assets)), units])[last]
    for place, name in enumerate(result.book.positions.columns[1:]):
        assert np.array_equal(whole_units[:, panel.index(name)], result.book.position[place])


@given(seed=st.integers(0, 2**32 - 1), rules=st.sampled_from(NO_HEDGES))
def test_one_asset_is_the_run_of_its_bars_and_several_are_the_run_of_their_frames(seed, rules):
    rng = np.random.default_rng(seed)
    given_frames, whole = frames(rng, gaps=False)
    rows, _ = orders_of(rng, whole, 6)
    engine = BacktestEngine(initial_cash=20_000.0, order_book=rules)
    for names in (("A",), ("A", "B", "C", "D")):
        table = [row for row in rows if row["symbol"] in names]
        if not table:
            continue
        frames_of = {name: given_frames[name] for name in names}
        bars = Bars.from_frame(frames_of["A"], name="A") if len(names) == 1 else frames_of
        result = engine.run(Panel.from_frame(frames_of), table)
        alone = simulate_orders(
            bars, _plain(table, len(names)), initial_cash=20_000.0, rules=result.book.rules
        )
        traded = sorted({row["symbol"] for row in table})
        assert np.array_equal(result.equity, alone.equity) and np.array_equal(result.book.cash, alone.cash)
        assert result.book.fills.equals(alone.fills) and result.book.trades.equals(alone.trades)
        assert result.book.positions.equals(alone.positions.select("bar", *traded))
        for name in ("bar", "side", "size", "price", "fee", "slippage"):
            assert result.fills[name].to_list() == alone.fills[name].to_list()


def _plain(table, count):
    """Instructions as a run of frames takes them: of one asset without its name."""
    return [{k: v for k, v in row.items() if k != "symbol"} for row in table] if count == 1 else table


PANEL = synthetic(120, assets=4, seed=3)
TABLE = pl.DataFrame({
    "timestamp": PANEL.timestamp[[5, 5, 20, 40, 60]],
    "symbol": ["A0", "A2", "A1", "A0", "A2"],
    "type": ["market", "market", "limit", "market", "market"],
    "side": ["buy", "sell", "buy", "sell", "buy"],
    "size": [10.0, 4.0, 6.0, 10.0, 4.0],
    "limit": [None, None, float(PANEL.close[1, 20]) * 0.98, None, None],
    "stop_loss": [float(PANEL.close[0, 5]) * 0.5, None, None, None, None],
    "tag": ["first", "short", "dip", None, None],
})  # fmt: skip


def test_settings_of_the_engine_are_those_of_the_run_of_one_asset():
    costs, execution = Costs(rate=0.001, slippage_bps=3, fixed=1.0), Execution(fill_at="close")
    table = TABLE.filter(pl.col("symbol") == "A0")
    engine = BacktestEngine(costs=costs, execution=execution)
    result = engine.run(PANEL.select(["A0"]), table)
    rules = OrderRules(merge_fills=True, market_fill="same_close", exits_active="next_bar")
    alone = simulate_orders(PANEL["A0"], table.drop("symbol"), costs=costs, rules=rules)
    assert result.book.fills.equals(alone.fills) and np.array_equal(result.equity, alone.equity)
    single = engine.run(PANEL["A0"], two_orders)
    assert single.fills["price"].to_list() == result.fills["price"].to_list()
    assert single.equity.tolist() == result.equity.tolist()
    assert [single.stats[name] for name in ("sharpe", "total_fees", "max_drawdown", "total_orders")] == [
        result.stats[name] for name in ("sharpe", "total_fees", "max_drawdown", "total_orders")
    ]


@strategy
def two_orders(i, bars, params, memory, account, orders):
    """The orders of the first asset in the table."""
    if i == 5:
        place_market(orders, BUY, 10.0, stop_loss=0.5 * bars[CLOSE, i])
    if i == 40:
        place_market(orders, SELL, 10.0)


def test_orders_name_their_tags_kinds_and_reasons():
    result = BacktestEngine(costs=Costs.from_bps(10)).run(PANEL, TABLE)
    assert result.orders["tag"].to_list()[:2] == ["first", "short"]
    assert set(result.fills["reason"]) <= {"order", "stop_loss"}
    assert result.fills["symbol"].to_list()[:2] == ["A0", "A2"]
    lost = result.orders.filter(pl.col("kind") == "stop_loss")
    assert lost["status"].to_list() == ["cancelled"] and lost["reason"].to_list() == ["lot_closed"]
    late = BacktestEngine().run(
        PANEL, [{"bar": 119, "symbol": "A0", "size": 1}, {"bar": 1, "symbol": "A1", "size": 1e9}]
    )
    assert late.orders.select("status", "reason").rows() == [
        ("rejected", "insufficient_margin"), ("unfilled", "end_of_data"),
    ]  # fmt: skip
    assert "each order by its type" in late.summary()


def test_sizes_are_signed_where_no_column_says_the_side():
    signed = TABLE.drop("side").with_columns(size=pl.Series([10.0, -4.0, 6.0, -10.0, 4.0]))
    assert BacktestEngine().run(PANEL, signed).hash == BacktestEngine().run(PANEL, TABLE).hash
    target = [{"bar": 3, "symbol": "A0", "size": -0.2, "size_unit": "target_fraction"}]
    assert BacktestEngine().run(PANEL, target).fills["side"].to_list() == [-1]


def test_the_form_of_the_table_does_not_matter():
    engine, rows = BacktestEngine(), TABLE.to_dicts()
    expected = engine.run(PANEL, TABLE).hash
    renamed = TABLE.rename({"symbol": "asset"})
    for table in (
        rows,
        TABLE.to_dict(as_series=False),
        TABLE.to_pandas(),
        renamed,
        TABLE.to_pandas().set_index("timestamp"),
        TABLE.lazy(),
        TABLE.to_arrow(),
    ):
        assert engine.run(PANEL, table).hash == expected
    other = engine.run(PANEL.select(["A2", "A1", "A0", "A3"]), TABLE)
    np.testing.assert_allclose(other.equity, engine.run(PANEL, TABLE).equity, rtol=1e-13)


def test_volume_limits_fill_in_parts_and_survive_saving(tmp_path):
    rules = OrderRules(volume="share", volume_amount=10.0)
    thin = Panel.from_frame(PANEL.to_polars().with_columns(volume=pl.lit(30.0)))
    result = BacktestEngine(order_book=rules).run(thin, TABLE)
    first = result.fills.filter(pl.col("order_id") == 0)
    assert first["size"].to_list() == [3.0, 3.0, 3.0, 1.0]
    assert result.orders["filled"][0] == 10.0 and result.orders["fill_bar"][0] == first["bar"][-1]
    loaded = PortfolioResult.load(result.save(tmp_path / "parts"))
    assert loaded.hash == result.hash and loaded.book is None
    for name in (
        "orders",
        "fills",
        "trades",
        "positions",
        "weights",
        "exposure",
        "contributions",
        "rebalances",
    ):
        assert getattr(loaded, name).equals(getattr(result, name)), name


def test_what_is_held_when_prices_end_is_said_and_counts_at_the_last_price():
    frame = PANEL.to_polars().filter((pl.col("symbol") != "A0") | (pl.col("timestamp") < PANEL.timestamp[50]))
    panel = Panel.from_frame(frame)
    result = BacktestEngine().run(
        panel, [{"bar": 5, "symbol": "A0", "size": 10}, {"bar": 60, "symbol": "A0", "size": -10}]
    )
    assert any("A0 still held though the prices have ended" in note for note in result.notes)
    assert result.orders["status"].to_list() == ["filled", "unfilled"]
    paid = 10 * PANEL.open[0, 6]
    assert result.equity[-1] == pytest.approx(100_000.0 - paid + 10 * PANEL.close[0, 49], rel=1e-12)


def test_an_asset_that_is_not_listed_yet_waits_for_its_first_bar():
    frame = PANEL.to_polars().filter(
        (pl.col("symbol") != "A1") | (pl.col("timestamp") >= PANEL.timestamp[30])
    )
    table = [{"bar": 5, "symbol": "A1", "size": -100}, {"bar": 29, "symbol": "A0", "size": 1_000}]
    result = BacktestEngine(order_book=OrderRules(shortfall="cut")).run(Panel.from_frame(frame), table)
    assert result.fills["bar"].to_list() == [30, 30]
    short, cash = 100 * PANEL.open[1, 30], 100_000.0
    # The short is worth its open already: what it brought in buys nothing.
    assert result.fills["size"][1] * PANEL.open[0, 30] == pytest.approx(cash - short, rel=1e-9)


@strategy(name="dips_of_a_panel", schema=(Param("dip", "float", 0.02, low=0.001, high=0.2),))
def dip_buyer(i, bars, params, memory, account, orders):
    """Limit orders below the close of the first two assets, every 20 bars."""
    if i % 20 == 0:
        for asset in range(2):
            close = bars[6 * asset + CLOSE, i]
            place_limit(orders, BUY, 5.0, close * (1.0 - params[0]), asset=asset)


def test_a_block_that_places_orders_runs_on_a_panel():
    engine, grid = BacktestEngine(costs=Costs.from_bps(10)), {"dip": [0.01, 0.05], "fee_bps": [0.0, 10.0]}
    result = engine.run(PANEL, dip_buyer, {"dip": 0.01})
    assert set(result.fills["symbol"]) == {"A0", "A1"} and result.orders.height == 12
    frame = (
        Sweep(dip_buyer, grid, PANEL, costs=engine.costs, metrics=["final_equity"]).run(progress=False).frame
    )
    row = frame.filter((pl.col("dip") == 0.01) & (pl.col("fee_bps") == 10.0))
    assert row["final_equity"].item() == result.stats["final_equity"]


def test_sweeps_of_a_table_vary_the_rules_of_the_book():
    sweep = Sweep(
        TABLE, {"latency": [0, 3], "initial_cash": [1e3, 1e5]}, PANEL, metrics=["final_equity"]
    ).run(progress=False)
    for row in sweep.frame.iter_rows(named=True):
        engine = BacktestEngine(
            order_book=OrderRules(latency=row["latency"]), initial_cash=row["initial_cash"]
        )
        assert engine.run(PANEL, TABLE).stats["final_equity"] == row["final_equity"]
    with pytest.raises(ConfigError, match="band"):
        Sweep(TABLE, {"band": [0.1]}, PANEL)
    with pytest.raises(ConfigError, match="lookback"):
        Sweep(pl.DataFrame({"bar": [1], "A0": [0.5]}), {"lookback": [5]}, PANEL)


def test_limits_of_the_account_end_the_run_of_orders():
    engine = BacktestEngine(initial_cash=1_500.0, risk_limits=RiskLimits(max_drawdown=0.02))
    result = engine.run(PANEL, TABLE)
    assert "halted" in set(result.orders["reason"])
    assert engine.run(PANEL.select(["A0"]), TABLE.filter(pl.col("symbol") == "A0")).fills.height >= 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            TABLE.drop("symbol"),
            DataError,
            r"row 0: expected the name of one of the 4 assets in the column 'symbol'",
        ),
        (
            TABLE.with_columns(symbol=pl.Series(["A0", None, "A1", "A0", "A2"])),
            DataError,
            "row 1: expected the name",
        ),
        (TABLE.with_columns(symbol=pl.lit("A9")), DataError, "asset='A9'"),
        (TABLE.rename({"size": "sise"}), DataError, "did you mean 'size'"),
        (TABLE.with_columns(asset="symbol"), DataError, "got both"),
        ({"portfolio": PortfolioRules(band=0.1)}, ConfigError, "portfolio: expected the default with orders"),
        ({"stops": Stops(stop_loss=0.1)}, ConfigError, "stops: .* give each order its stop_loss"),
        (
            {"financing": Financing(cash_rate=0.01)},
            ConfigError,
            "financing: expected the default with orders",
        ),
        ({"risk_limits": RiskLimits(max_position=0.5)}, ConfigError, "max_position"),
        ({"order_book": OrderBook(asset=Asset(lot=1.0))}, ConfigError, r"panel\.told\(assets="),
        (
            {"order_book": OrderRules(hedging=True, ledger="settled", merge_fills=False)},
            ConfigError,
            "hedging=True",
        ),
        ({"params": {"fast": 3}}, ConfigError, "params belong to a block"),
    ],
)
def test_what_says_nothing_to_orders_is_refused(change, error, message):
    table, settings = (TABLE, change) if isinstance(change, dict) else (change, {})
    params = settings.pop("params", None) if isinstance(change, dict) and "params" in change else None
    with pytest.raises(error, match=message):
        BacktestEngine(**settings).run(PANEL, table, params)


def test_reports_and_pictures_of_orders_are_those_of_portfolios(tmp_path):
    result = BacktestEngine().run(PANEL, TABLE)
    assert "A0" in result.report(tmp_path / "orders.html").read_text(encoding="utf-8")
    assert weights_figure(result) is not None and contributions_figure(result) is not None
