"""Compiled blocks: the same decisions as targets give the same bits; what a block sees; what it may not do."""

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Costs, Execution, Param, RiskLimits, Stops, strategy, synthetic
from peak_fast.errors import StrategyError
from peak_fast.simulation import run as _run
from peak_fast.simulation.decisions import block_decisions, target_decisions
from peak_fast.strategies.blocks import Block
from peak_fast.strategies.registry import _registry
from peak_kernels import slots as t
from tests import oracle
from tests.kernel_cases import decisions_of, kernel_settings, make_bars, price_bars, rules_of, run_kernel


def from_params(i, bars, params, memory, account):
    """Parameter ``i`` is the target of bar ``i``."""
    return params[i]


def cross(i, bars, params, memory, account):
    """Long above the average of the last ``params[0]`` closes, short below it if ``params[1]``."""
    memory[0] += bars[3, i]
    period = int(params[0])
    if i >= period:
        memory[0] -= bars[3, i - period]
    if i < period - 1:
        return math.nan
    average = memory[0] / period
    if bars[3, i] > average:
        return 1.0
    return -1.0 if params[1] > 0 else 0.0


def look(i, bars, params, memory, account):
    """Write what it sees of the account into its memory; long from bar 1 to 3."""
    if i < 6:
        for k in range(5):
            memory[5 * i + k] = account[k]
    return 1.0 if 1 <= i < 4 else 0.0


def half(i, bars, params, memory, account):
    """Weight of one half, then a quarter."""
    return 0.5 if i < 3 else 0.25


def profit_taker(i, bars, params, memory, account):
    """Out once the price is ``params[0]`` above the average entry, or after ``params[1]`` bars; else long."""
    if account[1] == 0.0:
        return 1.0
    return 0.0 if bars[3, i] > account[3] * (1.0 + params[0]) or account[4] >= params[1] else math.nan


FROM_PARAMS = Block(from_params, name="from_params")
CROSS = Block(
    cross,
    name="cross",
    memory=1,
    schema=(Param("period", "int", 5, low=2, high=50), Param("short", "bool", False)),
)


def run_block(block, bars, params, settings):
    return _run.run_single(bars, block_decisions(block, bars, params), settings)


def same_bits(one, other):
    for name in ("metrics", "curve", "orders", "fills", "trades"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


@st.composite
def cases(draw):
    rules = draw(rules_of())
    bars = draw(price_bars())
    decide = draw(decisions_of(len(bars), rules.weights))
    # A block is asked at bars with prices only.
    return rules, bars, {bar: value for bar, value in decide.items() if bars[bar] is not None}


def row_of(decide, count):
    """One value a bar; NaN where nothing is decided."""
    row = np.full(count, math.nan)
    row[list(decide)] = list(decide.values())
    return row


def edges_of(decide):
    """Decisions that differ from the last one: what targets and blocks mean."""
    last, kept = 0.0, {}
    for bar in sorted(decide):
        if decide[bar] != last:
            kept[bar] = last = decide[bar]
    return kept


@given(cases())
def test_block_equals_targets_bit_for_bit(case):
    rules, bars, decide = case
    data, settings = make_bars(bars), kernel_settings(rules)
    row = row_of(decide, len(bars))
    params = {f"bar_{bar}": value for bar, value in enumerate(row.tolist())}
    by_block = run_block(FROM_PARAMS, data, params, settings)
    same_bits(by_block, _run.run_single(data, target_decisions(row), settings))


@given(cases())
@example(
    (oracle.Rules(weights=True), [(1.0, 1.0, 1.0, 1.0)] * 5, {0: 1e-33, 1: 1e-305, 2: -1e-305, 3: 1e-305})
)
def test_block_equals_oracle(case):
    rules, bars, decide = case
    days = [bar // 3 for bar in range(len(bars))]
    row = row_of(decide, len(bars))
    params = {f"bar_{bar}": value for bar, value in enumerate(row.tolist())}
    outcome = run_block(FROM_PARAMS, make_bars(bars), params, kernel_settings(rules))
    account, equity, cash, position = oracle.run(bars, edges_of(decide), rules, days)
    scale = 1e-9 * rules.initial_cash
    assert outcome.fills[:, 1].astype(int).tolist() == [fill[0] for fill in account.fills]
    assert [t.KINDS[int(code)] for code in outcome.fills[:, 7]] == [fill[5] for fill in account.fills]
    assert [t.REASONS[int(code)] for code in outcome.orders[:, 7]] == [order[6] for order in account.orders]
    for mine, theirs in zip(outcome.curve, (equity, cash, position), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=scale)


@pytest.mark.parametrize("fill_at", ["next_open", "close"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stops": Stops(stop_loss=0.03, take_profit=0.05, trailing=0.04)},
        {"risk_limits": RiskLimits(max_drawdown=0.1)},
        {"risk_limits": RiskLimits(daily_loss=0.02), "stops": Stops(stop_loss=0.03)},
    ],
)
def test_a_real_block_is_its_own_targets(fill_at, options):
    bars = synthetic(600, seed=8)
    row = np.full(len(bars), math.nan)
    memory = np.zeros(1)
    for bar in range(len(bars)):
        row[bar] = cross(
            bar, np.array([bars.open, bars.high, bars.low, bars.close]), (7.0, 1.0), memory, None
        )
    engine = BacktestEngine(
        costs=Costs(rate=0.001, slippage_bps=5), execution=Execution(fill_at=fill_at), **options
    )
    by_block = engine.run(bars, CROSS, {"period": 7, "short": True})
    assert by_block.hash == engine.run(bars, row).hash
    assert by_block.stats["closed_trades"] > 5


def test_memory_starts_at_zero_in_every_run():
    bars, engine = synthetic(300, seed=2), BacktestEngine()
    assert engine.run(bars, CROSS).hash == engine.run(bars, CROSS).hash


def test_parameters_come_in_the_order_of_the_schema():
    bars, engine = synthetic(300, seed=2), BacktestEngine()
    one = engine.run(bars, CROSS, {"short": True, "period": 9})
    assert one.hash == engine.run(bars, CROSS, {"period": 9, "short": True}).hash
    assert one.hash != engine.run(bars, CROSS, {"period": 9}).hash
    assert engine.run(bars, CROSS).params == {"period": 5, "short": False}


@pytest.mark.parametrize("fill_at", ["next_open", "close"])
def test_a_block_sees_the_account(fill_at):
    closes = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    rows = [(c, c, c, c) for c in closes]
    data = make_bars(rows)
    settings = kernel_settings(oracle.Rules(fill_at=fill_at, fixed=2.0))
    decisions = block_decisions(Block(look, memory=30), data, {})
    outcome = _run.run_single(data, decisions, settings)
    seen = decisions.block.memory.reshape(6, 5)
    filled = 1 if fill_at == "close" else 2  # bar of the fill
    size = (1000.0 - 2.0) / closes[filled]
    gone = 4 if fill_at == "close" else 5
    for bar in range(6):
        # Under "close" what is decided at a close is seen from the next bar on.
        held = filled < bar <= gone if fill_at == "close" else filled <= bar < gone
        if held:
            expected = (-0.0, size, size * closes[bar], closes[filled], bar - filled)
        elif bar <= filled:
            expected = (1000.0, 0.0, 1000.0, 0.0, 0.0)
        else:
            expected = (outcome.curve[t.CURVE_CASH, -1], 0.0, outcome.curve[t.CURVE_EQUITY, -1], 0.0, 0.0)
        assert seen[bar].tolist() == pytest.approx(expected, rel=1e-12, abs=1e-9), bar


def test_account_of_a_short():
    def short_and_look(i, bars, params, memory, account):
        memory[0], memory[1], memory[2] = account[0], account[1], account[3]
        return -1.0

    data = make_bars([(10.0, 10.0, 10.0, 10.0)] * 3)
    decisions = block_decisions(Block(short_and_look, memory=3), data, {})
    _run.run_single(data, decisions, kernel_settings(oracle.Rules()))
    assert decisions.block.memory.tolist() == [2000.0, -100.0, 10.0]


def test_a_block_may_use_the_account():
    bars = synthetic(400, seed=5)
    engine = BacktestEngine(execution=Execution(fill_at="close"))
    taker = Block(
        profit_taker,
        name="taker",
        schema=(Param("gain", "float", 0.02, low=0.0, high=1.0), Param("bars", "int", 10, low=1, high=99)),
    )
    trades = engine.run(bars, taker, {"bars": 6}).trades.filter(trades_closed())
    assert trades.height > 20
    assert trades["bars_held"].max() == 6
    early = trades.filter(pl_col("bars_held") < 6)
    assert (early["exit_price"] > early["entry_price"] * 1.02).all()


def trades_closed():
    return pl_col("exit_reason") != "open"


def pl_col(name):
    import polars as pl

    return pl.col(name)


def test_weights():
    bars = make_bars([(10.0, 10.0, 10.0, 10.0)] * 6)
    run = BacktestEngine(initial_cash=1000).run(bars, Block(half, weights=True))
    assert run.position.tolist() == [0, 50, 50, 50, 25, 25]
    assert run.metadata["settings"]["targets"] == "weights"


def test_nan_is_no_change():
    bars = make_bars([(10.0, 10.0, 10.0, 10.0)] * 5)
    params = dict(zip("abcde", [1.0, math.nan, math.nan, 0.0, math.nan], strict=True))
    run = BacktestEngine(initial_cash=1000).run(bars, FROM_PARAMS, params)
    assert run.position.tolist() == [0, 100, 100, 100, 0]


def test_not_asked_where_there_are_no_prices():
    def count(i, bars, params, memory, account):
        memory[0] += 1.0
        memory[1] = i
        return math.nan

    rows = [None, (10.0,) * 4, None, None, (11.0,) * 4, None]
    data = make_bars(rows)
    decisions = block_decisions(Block(count, memory=2), data, {})
    _run.run_single(data, decisions, kernel_settings(oracle.Rules()))
    assert decisions.block.memory.tolist() == [2.0, 4.0]


def test_volume_and_last_known_close():
    def read(i, bars, params, memory, account):
        memory[0] = bars[4, 0] if i == 2 else memory[0]
        memory[1] = bars[5, i]
        return math.nan

    data = make_bars([(10.0,) * 4, (10.0,) * 4, (12.0,) * 4])
    decisions = block_decisions(Block(read, memory=2), data, {})
    _run.run_single(data, decisions, kernel_settings(oracle.Rules()))
    assert decisions.block.memory[0] == 10.0 and math.isnan(decisions.block.memory[1])
    with_volume = synthetic(3, seed=1)
    decisions = block_decisions(Block(read, memory=2), with_volume, {})
    _run.run_single(with_volume, decisions, kernel_settings(oracle.Rules()))
    assert decisions.block.memory[1] == with_volume.volume[-1]


class TestRefused:
    def test_what_cannot_be_compiled(self):
        def opens_a_file(i, bars, params, memory, account):
            return float(open("x").read())  # noqa: PTH123

        def unknown_name(i, bars, params, memory, account):
            return no_such_thing(i)  # noqa: F821

        for function in (opens_a_file, unknown_name):
            block = Block(function, name="bad")
            with pytest.raises(StrategyError, match="the block 'bad' cannot be compiled") as caught:
                BacktestEngine().run(synthetic(20, seed=1), block)
            assert "\n" not in str(caught.value)

    def test_text_as_a_parameter(self):
        with pytest.raises(StrategyError, match="parameter 'mode' must be a number; got 'fast'"):
            BacktestEngine().run(synthetic(20, seed=1), FROM_PARAMS, {"mode": "fast"})

    def test_choices_are_numbered(self):
        def pick(i, bars, params, memory, account):
            return params[0]

        block = Block(pick, name="pick", schema=(Param("side", "choice", "flat", choices=("flat", "long")),))
        bars = make_bars([(10.0,) * 4] * 3)
        assert BacktestEngine(initial_cash=10).run(bars, block, {"side": "long"}).position[-1] == 1
        assert BacktestEngine(initial_cash=10).run(bars, block).position[-1] == 0

    def test_a_name_twice(self):
        strategy(cross, name="cross_for_test", memory=1)
        try:
            with pytest.raises(StrategyError, match="'cross_for_test' is taken"):
                strategy(half, name="cross_for_test")
        finally:
            _registry.pop("cross_for_test", None)


def test_decorator_makes_a_block():
    @strategy(name="block_for_test", memory=1, schema=CROSS.schema)
    def block_for_test(i, bars, params, memory, account):
        """Long after two bars."""
        return 1.0 if i > 1 else 0.0

    try:
        assert isinstance(block_for_test, Block)
        assert block_for_test.description == "Long after two bars."
        run = BacktestEngine().run(synthetic(10, seed=1), "block_for_test")
        assert run.fills["bar"].to_list() == [3]
        assert len(run.metadata["strategy"]["fingerprint"]) == 32
    finally:
        _registry.pop("block_for_test", None)


def test_fingerprint_follows_the_source():
    assert Block(cross).fingerprint() == Block(cross, name="x").fingerprint() != Block(half).fingerprint()
    assert replace(CROSS, name="copy").fingerprint() == CROSS.fingerprint()


def test_blocks_and_rules_share_one_loop():
    """The same machine: a block that repeats the kernel's own decisions of a rule gives the rule's bits."""
    bars = synthetic(500, seed=12)
    engine = BacktestEngine(costs=Costs(rate=0.001))
    by_rule = engine.run(bars, "ma_crossover", {"fast": 4, "slow": 11, "allow_short": True})
    decided = by_rule.orders.filter(pl_col("kind") == "signal")
    row = np.full(len(bars), math.nan)
    side = np.where(decided["side"].to_numpy() == "buy", 1.0, -1.0)
    row[decided["bar"].to_numpy()] = side
    params = {f"bar_{bar}": value for bar, value in enumerate(row.tolist())}
    assert engine.run(bars, FROM_PARAMS, params).hash == by_rule.hash
    decide = dict(zip(decided["bar"].to_list(), side.tolist(), strict=True))
    outcome = run_kernel(bars, decide, engine.settings.vector(bars))
    assert outcome.curve.tobytes() == by_rule._outcome.curve.tobytes()


BLOCK_FILE = '''
import math
import numba
from {helpers} import twice

LEVEL = {level}


def block(i, bars, params, memory, account):
    """Long above a level."""
    return 1.0 if twice(bars[3, i]) > LEVEL * {factor} else math.nan
'''
ASK = """
from block_file import block
from peak_fast import BacktestEngine, synthetic
from peak_fast.strategies.registry import Block
item = Block(block)
run = BacktestEngine().run(synthetic(300, seed=4), item)
print(run.fills["bar"].to_list()[:1], item.compiled["function"].way)
"""


@pytest.mark.slow
def test_a_cached_block_is_made_again_when_something_it_uses_changes(tmp_path):
    def answer(*, level=230.0, factor=1.0, twice=2.0):
        text = f"import numba\n\n\n@numba.njit\ndef twice(x):\n    return {twice} * x\n"
        (tmp_path / "helpers_file.py").write_text(text)
        content = BLOCK_FILE.format(helpers="helpers_file", level=level, factor=factor)
        (tmp_path / "block_file.py").write_text(content)
        done = subprocess.run(
            [sys.executable, "-c", ASK], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "PEAK_FAST_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        return done.stdout.strip()

    def bar_after(level):
        return int(np.argmax(synthetic(300, seed=4).close > level)) + 1

    assert answer() == f"[{bar_after(115.0)}] compiled"
    assert answer() == f"[{bar_after(115.0)}] object file"
    assert answer(level=250.0) == f"[{bar_after(125.0)}] compiled"
    assert answer(factor=1.1) == f"[{bar_after(126.5)}] compiled"
    assert answer(twice=1.75) == f"[{bar_after(230.0 / 1.75)}] compiled"
    assert len({bar_after(level) for level in (115.0, 125.0, 126.5, 230.0 / 1.75)}) > 2


def test_an_error_inside_a_block_reaches_the_caller():
    def breaks(i, bars, params, memory, account):
        if i == 3:
            raise ValueError("not on bar three")
        return 1.0

    with pytest.raises(ValueError, match="not on bar three"):
        BacktestEngine().run(synthetic(10, seed=1), Block(breaks, name="breaks"))
