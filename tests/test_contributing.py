"""The table of files to touch is true: a dummy of each kind, added in a copy of the sources, works at its doors."""

import os
import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT

MOST = {
    "a metric": 2,
    "a setting": 3,
    "a sizing rule": 4,
    "an indicator": 2,
    "an order type": 6,
    "a dialect": 1,
}


def listed():
    """Files of each kind, in the order of the page."""
    page = (ROOT / "docs/how_it_works.md").read_text("utf-8").split("## Contributing")[1]
    rows = re.findall(r"^\| (an? [a-z ]+) \| ([^|]+) \|", page, re.MULTILINE)
    return {kind: re.findall(r"`([^`]+)`", files) for kind, files in rows}


def renumbered(text):
    """A further slot behind the settings: what follows has the next number."""
    head, tail = re.split(r"(?m)^N_SETTINGS = ", text)
    count, tail = tail.split("\n", 1)
    tail = re.sub(r"(?m)^([A-Z_]+) = (\d+)\b(?=.*)", lambda m: _next(m, int(count)), tail)
    return f"{head}MOST_UNITS = {count}  # units; 0: any\nN_SETTINGS = {int(count) + 1}\n{tail}"


def _next(match, first):
    number = int(match[2])
    return f"{match[1]} = {number + 1 if number >= first else number}"


def put(old, new):
    """An edit that must find its place once."""

    def edit(text):
        assert text.count(old) == 1, (old, text.count(old))
        return text.replace(old, new)

    return edit


def of_blocks(text):
    """A function like that of another order type."""
    start = text.index("@later(inline=True)\ndef place_market_on_close(")
    stop = text.index("@later(inline=True)", start + 5)
    own = (
        text[start:stop]
        .replace("place_market_on_close", "place_at_last")
        .replace("MARKET_ON_CLOSE", "AT_LAST")
    )
    return text[:start] + own + text[start:]


EDITS = {
    "a metric": [
        lambda text: put("    out[24] = state[t.TOTAL_FUNDING]\n",
                         "    out[24] = state[t.TOTAL_FUNDING]\n    out[25] = state[t.N_WINS] + 0.5\n")(
            put("N_FOLDED = 25", "N_FOLDED = 26")(text)),
        put('    Metric("cash_interest",',
            '    Metric("wins_and_a_half", "Wins and a half", "ratio", "wins + 1/2", "sums", section="trading"),\n'
            '    Metric("cash_interest",'),
    ],
    "a setting": [
        renumbered,
        put("    leverage: Annotated[Positive, Slot",
            "    most_units: Annotated[NonNegative, Slot((t.MOST_UNITS,), \"most_units\")] = 0.0\n"
            "    leverage: Annotated[Positive, Slot"),
        put("    allowed = money.whole_lots(allowed, state[t.LOT_SIZE], held)\n",
            "    if state[t.MOST_UNITS] > 0.0:\n        allowed = min(allowed, state[t.MOST_UNITS])\n"
            "    allowed = money.whole_lots(allowed, state[t.LOT_SIZE], held)\n"),
    ],
    "a sizing rule": [
        lambda text: re.sub(r"SIZE_NOTIONAL, SIZE_RISK, SIZE_VOLATILITY, SIZE_KELLY = range\(6\)",
                            "SIZE_NOTIONAL, SIZE_DOUBLE, SIZE_RISK, SIZE_VOLATILITY, SIZE_KELLY = range(7)", text),
        lambda text: put("Sizing = FractionOfEquity |", "Sizing = TwiceUnits | FractionOfEquity |")(
            put("class RiskPerTrade(SizeRule):",
                "class TwiceUnits(SizeRule):\n    kind: Literal[\"twice\"] = \"twice\"\n"
                "    mode: ClassVar[int] = t.SIZE_DOUBLE\n    units: Annotated[Positive, _SIZE]\n\n\n"
                "class RiskPerTrade(SizeRule):")(text)),
        put("    if mode == t.SIZE_UNITS:\n",
            "    if mode == t.SIZE_DOUBLE:\n        return 2.0 * value\n    if mode == t.SIZE_UNITS:\n"),
        lambda text: re.sub(r'( +)"FixedUnits": ("[\w.]+"),\n', r'\g<0>\1"TwiceUnits": \2,\n', text),
    ],
    "an indicator": [
        lambda text: text + (
            "\n\n@jit\ndef above_low(close: FloatArray, low: FloatArray, factor: float, out: FloatArray) -> None:\n"
            "    for i in range(out.size):\n        out[i] = factor * (close[i] - low[i])\n"),
        lambda text: text + (
            "\n\n@indicator()\ndef above_low(close: Any, low: Any, factor: float = 1.0) -> Any:\n"
            "    columns = {\"close\": close, \"low\": low}\n"
            "    return _compute(kernels.above_low, columns, (float(factor),), (\"above_low\",))[0]\n"),
    ],
    "an order type": [
        put("MARKET_ON_CLOSE = range(7)", "MARKET_ON_CLOSE, AT_LAST = range(8)"),
        lambda text: put("    m[k + f.O_STOP_LOSS], m[k + f.O_TAKE_PROFIT] = m[action + f.X_STOP_LOSS]",
                         "    if kind == f.AT_LAST:\n        m[k + f.O_KIND] = f.LIMIT\n"
                         "        m[k + f.O_LIMIT] = m[row + f.A_MARK]\n"
                         "    m[k + f.O_STOP_LOSS], m[k + f.O_TAKE_PROFIT] = m[action + f.X_STOP_LOSS]")(text),
        None,  # it fills as a limit order
        of_blocks,
        lambda text: put("    place_market_on_close,\n", "    place_at_last,\n    place_market_on_close,\n")(text),
        put('"market_on_close": f.MARKET_ON_CLOSE,', '"market_on_close": f.MARKET_ON_CLOSE, "at_last": f.AT_LAST,'),
    ],
    "a dialect": [
        lambda text: text + (
            '\n[[header]]\nname = "dummy"\nhas = ["zeit", "auf", "hoch", "tief", "zu"]\n'
            'columns = { timestamp = "zeit", open = "auf", high = "hoch", low = "tief", close = "zu" }\n'),
    ],
}  # fmt: skip

CHECK = """
import io
import numpy as np
from peak_fast import *
from peak_fast import TwiceUnits, indicators as ta
from peak_fast.strategies import OrderBlock
from peak_fast.data import load, synthetic
from peak_fast.orders.block import BUY, place_at_last
from peak_fast.report.text import report_text

bars = synthetic(300, seed=3)
engine = BacktestEngine(sizing=FixedUnits(units=10))
stats = engine.run(bars, "ma_crossover").stats
won = round(stats["win_rate"] * stats["closed_trades"])
assert stats["wins_and_a_half"] == won + 0.5, stats
assert "Wins and a half" in report_text(stats, {})
grid = {"fast": [5, 9], "most_units": [0.0, 3.0]}
ten = FixedUnits(units=10)
found = Sweep("ma_crossover", grid, bars, metrics=["wins_and_a_half", "final_equity"], sizing=ten).run()
assert found.frame.columns[-2] == "wins_and_a_half" and found.frame.height == 4
for row in found.frame.iter_rows(named=True):
    execution = Execution(most_units=row["most_units"])
    alone = BacktestEngine(sizing=ten, execution=execution).run(bars, "ma_crossover", {"fast": row["fast"]})
    assert alone.stats["final_equity"] == row["final_equity"]
    assert set(alone.fills["size"]) == ({3.0} if row["most_units"] else {10.0})
twice = BacktestEngine(sizing=TwiceUnits(units=5)).run(bars, "ma_crossover")
assert set(twice.fills["size"]) == {10.0} and twice.stats["final_equity"] == stats["final_equity"]
assert BacktestConfig(sizing={"kind": "twice", "units": 2}).sizing == TwiceUnits(units=2)

values = ta.above_low(bars.close, bars.low, 2.0)
np.testing.assert_array_equal(values, 2.0 * (bars.close - bars.low))
level = float(np.median(values))
rule = RuleStrategy("dummy_rule", enter_long=Above(Row("above_low", 2.0), Row("constant", level)),
                    leave_long=AtLeast(Row("constant", level), Row("above_low", 2.0)))
expected = engine.run(bars, np.where(values > level, 1, 0)).stats["final_equity"]
assert engine.run(bars, rule).stats["final_equity"] == expected

@strategy(rows=(Row("above_low", 2.0),))
def dummy_block(i, bars, params, memory, account):
    return 1.0 if bars[6, i] > LEVEL else 0.0
LEVEL = level
assert engine.run(bars, dummy_block).stats["final_equity"] == expected

orders = {"bar": [5], "type": ["at_last"], "side": ["buy"], "size": [2.0]}
(order,) = simulate_orders(bars, orders).orders.iter_rows(named=True)
assert order["limit"] == bars.close[5], order

def at_close(i, bars, params, memory, account, orders):
    if i == 5:
        place_at_last(orders, BUY, 2.0)
(placed,) = simulate_orders(bars, OrderBlock(at_close)).orders.iter_rows(named=True)
assert (placed["limit"], placed["size"]) == (order["limit"], order["size"])

with open("dummy.csv", "w") as file:
    file.write("Zeit,Auf,Hoch,Tief,Zu\\n" + "".join(f"2024-01-{d:02d},1,3,1,{d / 20 + 1}\\n" for d in range(1, 15)))
assert load("dummy.csv").close[0] == 1.05
print("all there")
"""


def test_kinds_and_counts_are_those_of_the_page():
    files = listed()
    assert files.keys() == MOST.keys() == EDITS.keys()
    for kind, most in MOST.items():
        assert len(files[kind]) == len(EDITS[kind]) <= most, kind
        assert [name for name in files[kind] if not (ROOT / name).is_file()] == []


def test_a_dummy_of_each_kind_works_in_a_copy(tmp_path):
    for name in ("peak_fast", "kernels"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, names in listed().items():
        for name, edit in zip(names, EDITS[kind], strict=True):
            if edit is not None:
                text = (tmp_path / name).read_text("utf-8")
                changed = edit(text)
                assert changed != text, (kind, name)
                (tmp_path / name).write_text(changed, "utf-8")
    (tmp_path / "check.py").write_text(CHECK, "utf-8")
    paths = os.pathsep.join([str(tmp_path), str(tmp_path / "kernels")])
    environment = {**os.environ, "PYTHONPATH": paths, "PEAK_FAST_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "all there", done.stderr[-3000:]
