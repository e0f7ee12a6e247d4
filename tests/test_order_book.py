"""The engine's decisions through the order book: the same as the fast path where no rule says otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    ConfigError,
    Costs,
    DataError,
    Execution,
    KellyFraction,
    Param,
    RiskLimits,
    Stops,
    VolatilityTarget,
    strategy,
    synthetic,
)
from peak_fast.engine.book import run_book
from peak_fast.metrics.catalog import METRICS
from peak_fast.orders.from_engine import book_rules, target_inputs
from peak_fast.orders.outcome import finished
from peak_fast.settings.order_book import OrderBook
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.simulation.decisions import target_decisions
from peak_fast.strategies.blocks import Block
from peak_kernels import slots as t
from tests.kernel_cases import engine_settings, kernel_settings, make_bars, run_kernel
from tests.oracle import Rules
from tests.test_kernel_oracle import cases, near

# Ratios of what may be nearly nothing are left out, and counts of orders: a reversal is two orders in the book.
COMPARED = (
    "final_equity", "total_return", "max_drawdown", "exposure", "total_trades", "closed_trades", "win_rate",
    "expectancy", "total_fees", "total_slippage",
)  # fmt: skip


def at(*closes):
    """Bars whose four prices are the close; None: a bar without prices."""
    return [None if close is None else (close,) * 4 for close in closes]


VOLATILE = Rules(fill_at="close", sizing=("volatility", 1.0, 2, 1.0, 0.0))


# A repeated decision takes the place of one that waits for prices, with the estimate of its own bar.
@example((VOLATILE, at(0.8, 0.8, 0.64, None, 0.512), {3: -1.0, 4: -1.0}))
@example((replace(VOLATILE, fill_at="next_open"), at(0.8, 0.8, 0.64, None, 0.512, 0.5), {2: -1.0, 3: -1.0}))
@given(cases())
def test_neutral_rules_give_the_fast_path(case):
    rules, bars, decide = case
    rules.both_hit = "stop_first" if rules.both_hit == "nearest_to_open" else rules.both_hit
    if rules.weights:
        rules.enter_only_flat = False
        # A lot of less than 1e-12 of what it was is nothing in the book.
        decide = {bar: round(target, 9) for bar, target in decide.items()}
    else:
        decide = {bar: float(np.sign(target)) for bar, target in decide.items()}
    if rules.enter_only_flat:
        decide = {bar: max(target, 0.0) for bar, target in decide.items()}
    data, settings = make_bars(bars), kernel_settings(rules)
    fast = run_kernel(data, decide, settings)
    # What the book does about an account without equity is another rule.
    assume(not (fast.fills[:, 7] == t.LIQUIDATED).any())
    given_ = engine_settings(rules)
    book, stops = OrderBook(), given_["stops"]
    order_rules = book_rules(book, given_["execution"], given_["costs"], stops, given_["risk_limits"])
    where = np.array(sorted(decide), np.int64)
    targets = np.array([decide[int(bar)] for bar in where], np.float64)
    slow = run_book(book, data, (where, targets), settings, order_rules, stops).outcome
    scale = rules.initial_cash
    assume(not (slow.fills[:, 7] == t.LIQUIDATED).any())
    assert slow.fills[:, [1, 2, 7]].tolist() == fast.fills[:, [1, 2, 7]].tolist()
    near(slow.fills[:, 3:7], fast.fills[:, 3:7], scale)
    assert slow.trades[:, [0, 1, 2, 10]].tolist() == fast.trades[:, [0, 1, 2, 10]].tolist()
    near(slow.trades[:, 3:10], fast.trades[:, 3:10], scale)
    near(slow.curve, fast.curve, scale)
    same = [METRICS.index(name) for name in COMPARED]
    near(slow.metrics[same], fast.metrics[same], scale)
    # The book also counts a bar whose open ends the position before its exits could.
    assert slow.state[t.N_AMBIGUOUS] >= fast.state[t.N_AMBIGUOUS]


def follow(i, bars, params, memory, account):
    """The target that the parameters hold for the bar; NaN for no change."""
    return params[i] if i < params.size else np.nan


@given(cases())
def test_a_block_that_follows_decisions_gives_their_bits(case):
    rules, bars, decide = case
    rules.enter_only_flat = False
    data, settings = make_bars(bars), kernel_settings(rules)
    given_ = engine_settings(rules)
    book, stops = OrderBook(), given_["stops"]
    order_rules = book_rules(book, given_["execution"], given_["costs"], stops, given_["risk_limits"])
    targets = np.full(len(bars), np.nan)
    for bar, target in decide.items():
        # A block is asked at bars with prices.
        if bars[bar] is not None:
            targets[bar] = round(target, 9) if rules.weights else np.sign(target)
    decisions = target_decisions(targets)
    expected, _, log, _ = run_book(
        book, data, (decisions.bar_of, decisions.target_of), settings, order_rules, stops
    )
    values = dict(enumerate(targets.tolist()))
    run, used = target_inputs(book, data, Block(follow, name="follow"), values, settings, order_rules, stops)
    records = run.repeat(run.rules)
    found = finished(run, records, used, stops)
    for name in ("fills", "trades"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name
    assert found.orders[:, :6].tobytes() == expected.orders[:, :6].tobytes()
    assert found.curve.tobytes() == expected.curve.tobytes()
    assert records.fills.tobytes() == log.records.fills.tobytes()


@strategy(
    name="looks_at_the_account",
    schema=(
        Param("most", "int", 9, low=1, high=50),
        Param("band", "float", 0.01, low=0.0, high=0.2),
    ),
    memory=3,
)
def looks_at_the_account(i, bars, params, memory, account):
    """Follow a mean; leave after so many bars, with a gain, below the highest equity, or with debts."""
    memory[0] += bars[3, i]
    memory[1] += 1.0
    memory[2] = max(memory[2], account[2])
    if account[1] != 0.0 and (account[4] >= params[0] or bars[3, i] > account[3] * 1.04):
        return 0.0
    if account[2] < 0.9 * memory[2] or account[0] < -1.0:
        memory[2] = account[2]
        return 0.0
    mean = memory[0] / memory[1]
    if bars[3, i] > mean * (1.0 + params[1]):
        return 1.0
    return -1.0 if bars[3, i] < mean * (1.0 - params[1]) else np.nan


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"costs": Costs(rate=0.001, fixed=1.0, slippage_bps=5), "initial_cash": 5_000},
        {"stops": Stops(stop_loss=0.03, take_profit=0.05, trailing=0.04)},
        {"execution": Execution(fill_at="close", lot_size=1.0)},
        {"execution": Execution(leverage=2.0), "risk_limits": RiskLimits(max_position=1.5)},
        {"sizing": VolatilityTarget(0.2)},
        {"sizing": KellyFraction()},
        {"risk_limits": RiskLimits(max_drawdown=0.3, daily_loss=0.02)},
    ],
)
def test_a_block_that_looks_at_the_account(settings):
    bars = synthetic(1_500, seed=4)
    fast = BacktestEngine(**settings).run(bars, looks_at_the_account, {"most": 7})
    slow = BacktestEngine(**settings, order_book=OrderRules()).run(bars, looks_at_the_account, {"most": 7})
    assert fast.trades.height > 10
    same = ["bar", "side", "reason"]
    assert slow.fills.select(same).equals(fast.fills.select(same))
    np.testing.assert_allclose(slow.fills["size"], fast.fills["size"], rtol=1e-9)
    np.testing.assert_allclose(slow.equity, fast.equity, rtol=1e-10)
    np.testing.assert_allclose(slow.trades["net_pnl"], fast.trades["net_pnl"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"costs": Costs(rate=0.001, fixed=1.0, minimum=2.0, slippage_bps=5)},
        {"stops": Stops(stop_loss=0.03, take_profit=0.05, trailing=0.04), "costs": Costs(fixed=1.0)},
        {
            "execution": Execution(fill_at="close", lot_size=1.0),
            "stops": Stops(trailing=3.0, unit="absolute"),
        },
        {"execution": Execution(leverage=2.0), "risk_limits": RiskLimits(max_position=1.2, daily_loss=0.02)},
    ],
)
def test_weights_and_blocks_of_weights(settings):
    """Many changes of many weights: one trade from flat to flat, fees once, exits around the average price."""
    bars, rng = synthetic(1_500, seed=4), np.random.default_rng(1)
    weights = np.full(1_500, np.nan)
    weights[rng.choice(1_500, 300, replace=False)] = np.round(rng.uniform(-0.9, 0.9, 300), 2)
    weights[rng.choice(1_500, 30)] = 0.0

    def shares(i, bars, params, memory, account):
        if account[1] != 0.0 and bars[3, i] > account[3] * (1.02 if account[1] > 0.0 else 1.05):
            return 0.0
        return np.round(params[i], 1)

    block, params = Block(shares, name="shares", weights=True), dict(enumerate(weights.tolist()))
    for item, given_ in ((weights, None), (block, params)):
        fast = BacktestEngine(**settings).run(bars, item, given_, weights=True)
        slow = BacktestEngine(**settings, order_book=OrderRules()).run(bars, item, given_, weights=True)
        assert fast.trades.height > 40 and fast.fills.height > 2 * fast.trades.height
        same = ["bar", "side", "reason"]
        assert slow.fills.select(same).equals(fast.fills.select(same))
        np.testing.assert_allclose(slow.fills["size"], fast.fills["size"], rtol=1e-7)
        np.testing.assert_allclose(slow.fills["fee"], fast.fills["fee"], rtol=1e-7)
        np.testing.assert_allclose(slow.equity, fast.equity, rtol=1e-10)
        same = ["side", "entry_bar", "exit_bar", "exit_reason"]
        assert slow.trades.select(same).equals(fast.trades.select(same))
        for name in ("entry_price", "exit_price", "size", "fees", "slippage", "net_pnl", "return", "mfe"):
            np.testing.assert_allclose(slow.trades[name], fast.trades[name], rtol=1e-6, atol=1e-6)
        assert slow.metadata["settings"]["targets"] == "weights"


def test_weights_in_parts():
    """A volume limit fills the difference over several bars; the next weight ends what is left of it."""
    bars = flat([10.0] * 8, volume=[100.0] * 8)
    rules = OrderRules(volume="share", volume_amount=20)
    weights = [0.5, np.nan, np.nan, 0.2, np.nan, -0.1, np.nan, np.nan]
    result = BacktestEngine(initial_cash=1000.0, order_book=rules).run(bars, weights, weights=True)
    assert result.position.tolist() == [0.0, 20.0, 40.0, 50.0, 30.0, 20.0, 0.0, -10.0]
    assert result.trades.select("side", "size").rows() == [("long", 50.0), ("short", 10.0)]


def test_a_block_sees_what_the_rules_did():
    """With latency its order is still on the way, with partial fills the position grows."""
    bars = flat([10.0] * 8, volume=[100.0] * 8)

    def until_full(i, bars, params, memory, account):
        if account[1] >= 60.0:
            return 0.0
        return 1.0 if i == 0 else np.nan

    result = by_book(bars, Block(until_full), OrderRules(latency=1, volume="share", volume_amount=30))
    assert result.position.tolist() == [0.0, 0.0, 30.0, 60.0, 60.0, 30.0, 0.0, 0.0]
    assert result.orders["reason"].to_list()[:1] == ["replaced"]


def test_entries_of_a_block_at_a_limit():
    def always(i, bars, params, memory, account):
        return 1.0

    book = OrderBook(entry_limit=0.013, entry_bars=1, asset=Asset(tick=0.25))
    filled = by_book(flat([10.0, 9.0, 9.0]), Block(always), book)
    assert filled.book.orders["limit"][0] == 9.75 and filled.fills["bar"].to_list() == [1]
    gone = by_book(flat([10.0, 10.0, 9.0]), Block(always), book)
    assert gone.orders.select("status", "reason").rows() == [("expired", "validity_over")]
    assert gone.book.orders["tag"].to_list() == ["decision"]


def flat(closes, **columns):
    """Bars whose four prices are the close."""
    return {**dict.fromkeys(("open", "high", "low", "close"), closes), **columns}


def by_book(bars, targets, book, **settings):
    return BacktestEngine(initial_cash=1000.0, order_book=book, **settings).run(bars, targets)


class TestDoors:
    PARAMS = {"fast": 5, "slow": 20}  # noqa: RUF012

    def test_a_named_strategy(self):
        bars = synthetic(700, seed=8)
        settings = {"costs": Costs(rate=0.001, slippage_bps=5), "stops": Stops(stop_loss=0.05, trailing=0.08)}
        fast = BacktestEngine(**settings).run(bars, "ma_crossover", self.PARAMS)
        slow = BacktestEngine(**settings, order_book=OrderRules()).run(bars, "ma_crossover", self.PARAMS)
        assert fast.book is None and slow.book.orders.height > slow.orders.height > 0
        assert slow.fills.select("bar", "side", "reason").equals(fast.fills.select("bar", "side", "reason"))
        for name in (
            "final_equity",
            "sharpe",
            "max_drawdown",
            "win_rate",
            "sqn",
            "ulcer_index",
            "total_fees",
        ):
            assert slow.stats[name] == pytest.approx(fast.stats[name], rel=1e-9)
        assert slow.metadata["settings"]["order_book"]["rules"]["slippage_amount"] == 0.0005
        assert "order_book" not in fast.metadata["settings"]

    @pytest.mark.parametrize("pipeline", [True, False])
    def test_run_realistic(self, pipeline):
        bars = synthetic(300, seed=8)
        signal = np.random.default_rng(1).choice([-1, 0, 0, 1], 300)
        settings = {"use_execution_pipeline": pipeline}
        fast = BacktestEngine(**settings).run_realistic(bars, lambda df, p: signal, fee_bps=10)
        slow = BacktestEngine(**settings, order_book=OrderRules()).run_realistic(
            bars, lambda df, p: signal, fee_bps=10
        )
        assert fast.trades.height > 10
        np.testing.assert_allclose(slow.equity, fast.equity, rtol=1e-12)

    def test_save_and_load(self, tmp_path):
        result = by_book(synthetic(200, seed=3), "momentum", OrderRules(latency=1, finalize="close"))
        loaded = BacktestResult.load(result.save(tmp_path / "r"))
        assert loaded.hash == result.hash and loaded.book is None
        assert loaded.orders.equals(result.orders) and loaded.trades.equals(result.trades)
        assert loaded.trades["exit_reason"][-1] == "end_of_data"


class TestRules:
    def test_latency(self):
        result = by_book(flat([10.0, 11.0, 12.0, 13.0, 14.0]), [1, 1, 0, 0, 0], OrderRules(latency=1))
        assert result.fills["bar"].to_list() == [2, 4]

    def test_partial_fills_and_what_replaces_the_rest(self):
        bars = flat([10.0] * 6, volume=[100.0] * 6)
        rules = OrderRules(volume="share", volume_amount=30)
        result = by_book(bars, [1, 1, 0, 0, 0, 0], rules)
        assert result.fills["size"].to_list() == [30.0, 30.0, 30.0, 30.0]
        assert result.position.tolist() == [0.0, 30.0, 60.0, 30.0, 0.0, 0.0]
        assert result.orders.select("filled", "status", "reason").rows()[0] == (60.0, "cancelled", "replaced")
        assert result.orders["requested"][0] == 100.0

    def test_a_reversal_waits_until_the_other_side_is_gone(self):
        bars = flat([10.0] * 7, volume=[100.0] * 7)
        result = by_book(bars, [1, 1, -1, -1, -1, -1, -1], OrderRules(volume="share", volume_amount=60))
        assert result.position.tolist() == [0.0, 60.0, 100.0, 40.0, -20.0, -80.0, -100.0]

    def test_entry_at_a_limit(self):
        closes = [10.0, 10.0, 9.0, 9.0, 9.0]
        late = by_book(flat(closes), [1, 1, 1, 0, 0], OrderBook(entry_limit=0.05))
        assert late.fills.select("bar", "price").rows() == [(2, 9.0), (4, 9.0)]
        gone = by_book(flat(closes), [1, 1, 1, 0, 0], OrderBook(entry_limit=0.05, entry_bars=1))
        assert gone.orders.select("status", "reason").rows() == [("expired", "validity_over")]

    def test_limit_prices_keep_to_the_tick(self):
        book = OrderBook(entry_limit=0.013, asset=Asset(tick=0.25))
        assert by_book(flat([10.0, 9.0, 9.0]), [1, 1, 1], book).book.orders["limit"][0] == 9.75

    def test_half_spread_and_tiers(self):
        rules = OrderRules(slippage="half_spread", fee_tiers=((0.0, 0.01), (500.0, 0.0)))
        result = by_book(
            flat([10.0] * 4), [1, 0, 0, 0], OrderBook(rules=rules, half_spread=0.1), costs=Costs()
        )
        assert result.fills["price"].to_list() == pytest.approx([10.1, 9.9])
        assert result.fills["fee"].to_list() == pytest.approx([1000 / 10.1 * 10.1 * 0.01, 0.0], rel=0.02)

    def test_funding_and_contracts(self):
        book = OrderBook(asset=Asset(multiplier=5.0), funding=[0.0, 0.0, 0.01, 0.0])
        result = by_book(flat([10.0, 10.0, 12.0, 12.0]), [1, 1, 1, 1], book)
        # 20 contracts of 50 each; 1 % of 1200 is paid at bar 2.
        assert result.position[-1] == 20.0
        assert result.equity.tolist() == [1000.0, 1000.0, 1188.0, 1188.0]
        assert result.trades.select("gross_pnl", "financing", "net_pnl", "return").rows() == [
            (200.0, -12.0, 188.0, 0.188)
        ]

    def test_finer_bars_decide_what_came_first(self):
        bars = {"open": [10.0, 10.0], "high": [10.0, 12.0], "low": [10.0, 8.0], "close": [10.0, 10.0]}
        times = np.array(["2024-01-01", "2024-01-02"], "datetime64[us]")
        fine = {
            "timestamp": np.array(["2024-01-02T00", "2024-01-02T12"], "datetime64[us]"),
            "open": [10.0, 12.0], "high": [12.0, 12.0], "low": [10.0, 8.0], "close": [12.0, 10.0],
        }  # fmt: skip
        stops = Stops(stop_loss=0.1, take_profit=0.1)
        coarse = by_book({**bars, "timestamp": times}, [1, 1], OrderRules(), stops=stops)
        detailed = by_book({**bars, "timestamp": times}, [1, 1], OrderBook(detail=fine), stops=stops)
        assert coarse.fills["reason"].to_list() == ["signal", "stop_loss"]
        assert detailed.fills["reason"].to_list() == ["signal", "take_profit"]


class TestAmbiguity:
    BARS = {"open": [10.0, 10.0], "high": [10.0, 12.0], "low": [10.0, 8.0], "close": [10.0, 10.0]}  # noqa: RUF012
    STOPS = Stops(stop_loss=0.1, take_profit=0.1)

    @pytest.mark.parametrize("book", [None, OrderRules()])
    def test_by_hand(self, book):
        found = by_book(self.BARS, [1, 1], book, stops=self.STOPS).ambiguity
        assert (found.bars, found.final_equity) == (1, pytest.approx(900.0))
        assert (found.worst, found.best) == (pytest.approx(900.0), pytest.approx(1100.0))

    def test_a_strategy_of_rules_and_a_block(self):
        bars = synthetic(900, seed=2)
        engine = BacktestEngine(stops=Stops(stop_loss=0.01, take_profit=0.01))

        @strategy(name="always_long")
        def always_long(i, bars, params, memory, account):
            return 1.0 if i % 2 == 0 else 0.0

        for item in ("ma_crossover", always_long):
            result = engine.run(bars, item)
            found = result.ambiguity
            assert found.bars == result.stats["ambiguous_bars"] > 0
            assert found.worst < found.best and found.worst <= found.final_equity <= found.best
            first = BacktestEngine(stops=engine.stops, execution=Execution(both_hit="target_first"))
            assert found.best == first.run(bars, item).equity[-1]

    def test_without_doubt_nothing_runs_again_and_a_loaded_result_says_so(self, tmp_path):
        quiet = by_book(synthetic(50, seed=1), "momentum", None).ambiguity
        assert quiet.bars == 0 and quiet.worst == quiet.best == quiet.final_equity
        saved = by_book(self.BARS, [1, 1], None, stops=self.STOPS).save(tmp_path / "r")
        with pytest.raises(DataError, match="this result was loaded"):
            BacktestResult.load(saved).ambiguity  # noqa: B018


class TestErrors:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: BacktestEngine(order_book=3), "order_book: expected OrderBook or OrderRules; got int"),
            (lambda: OrderBook(rules={}), r"OrderBook\.rules: expected OrderRules; got dict"),
            (lambda: OrderBook(asset=1), r"OrderBook\.asset: expected Asset; got int"),
            (lambda: OrderBook(entry_limit=1.5), r"entry_limit: expected a fraction below 1; got 1\.5"),
            (lambda: OrderBook(entry_bars=3), r"entry_bars: expected at least 1, with entry_limit"),
            (
                lambda: by_book(flat([1.0, 1.0]), [1, 1], OrderRules(only_flat=True)),
                "only_flat=True contradicts one position that follows the strategy",
            ),
            (lambda: OrderBook(session_end="noon"), "session_end must look like '17:00'"),
            (
                lambda: by_book(flat([1.0, 1.0]), [1, 1], OrderBook(session_end="17:00")),
                r"OrderBook\.session_end: expected None, because decisions place no market-on-close orders",
            ),
        ],
    )
    def test_settings(self, make, message):
        with pytest.raises(ConfigError, match=message):
            make()

    def test_what_the_book_cannot_run(self):
        bars = synthetic(60, seed=1)
        limits = BacktestEngine(order_book=OrderBook(entry_limit=0.01))
        for item in ([0.5] * 60, Block(follow, name="weights", weights=True)):
            with pytest.raises(ConfigError, match=r"OrderBook\.entry_limit: expected None with weights"):
                limits.run(bars, item, weights=True)
        with pytest.raises(ConfigError, match=r"OrderBook\.asset: .*got quote='JPY'"):
            by_book(flat([1.0, 1.0]), [1, 1], OrderBook(asset=Asset(quote="JPY")))
        with pytest.raises(DataError, match="need a volume column"):
            by_book(flat([1.0, 1.0]), [1, 1], OrderRules(volume="share", volume_amount=5))

    def test_two_that_contradict_each_other(self):
        with pytest.raises(ConfigError, match=r"rules\.fee_rate=0\.002 contradicts .* which give 0\.001"):
            by_book(flat([1.0, 1.0]), [1, 1], OrderRules(fee_rate=0.002), costs=Costs(rate=0.001))
        limits = RiskLimits(max_drawdown=0.2)
        same = by_book(flat([1.0, 1.0]), [1, 1], OrderRules(max_drawdown=0.2), risk_limits=limits)
        assert same.book.rules.max_drawdown == 0.2


def test_kelly_counts_the_trades_of_the_book():
    closes = [100.0, 110.0, 110.0, 104.5, 104.5, 110.0]
    sizing = KellyFraction(share=1.0, min_trades=2, fallback=0.5, max_fraction=1.0)
    result = by_book(
        flat(closes), [1, 0, 1, 0, 1, 1], OrderRules(), sizing=sizing, execution=Execution(fill_at="close")
    )
    # +10 % and -5 %: W = 1/2, R = 2, k = 1/4.
    assert result.fills["size"][4] == pytest.approx(0.25 * result.equity[3] / 104.5, rel=1e-12)
