"""Portfolios of other engines, reproduced: every folder of ``$PEAK_FAST_ORACLES/portfolio_cases``.

A case counts as reproduced when the equity agrees to 1e-9 on every bar, the units to 1e-9 behind every bar with trades,
and the bars with trades exactly.  A case says its rule, prices and targets; which settings that rule is stands in
`rules_of`, by the name of the rule alone.
"""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Costs, Panel
from peak_fast.settings import PortfolioRules
from tests.conftest import ROOT

OUTCOME: dict[str, str] = {}


def _root():
    folder = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared"))
    return (folder if folder.is_absolute() else ROOT / folder) / "portfolio_cases"


CASES = sorted(path.parent for path in _root().glob("*/case.json")) if _root().is_dir() else []


def rules_of(case):
    """Settings of a case, by the names that its file gives: rule, price of the fill, kind of units."""
    lots = {"lot_size": 1.0} if case["units"] == "whole" else {}
    name = case["rule_name"]
    price = "open" if case["rule"]["filled_at"].startswith("open") else "close"
    if name.startswith("vbt-"):
        return PortfolioRules.vectorbt(price=name.removeprefix("vbt-"), **lots)
    if name.startswith("bt-"):
        return PortfolioRules.bt(**lots)
    if name.startswith("pb-"):
        return PortfolioRules.polars_backtest(price=price, daily=name == "pb-daily", **lots)
    if name.startswith("rule "):
        return PortfolioRules.rule(name.removeprefix("rule "), **lots)
    raise ValueError(f"no preset for rule {name!r}")


def engine_of(case):
    costs = Costs(rate=case["fee_rate"], slippage_bps=case["slippage"] * 10_000)
    return BacktestEngine(initial_cash=case["initial_cash"], costs=costs, portfolio=rules_of(case))


def panel_of(folder):
    """All symbols on all bars of the file, also those at which nobody has a price."""
    return Panel.from_frame(pl.read_parquet(folder / "prices.parquet"))


def differences(folder):
    """What does not agree, in words; none: reproduced."""
    case = json.loads((folder / "case.json").read_text())
    panel = panel_of(folder)
    result = engine_of(case).run(panel, pl.read_parquet(folder / "targets.parquet"))
    expected = pl.read_parquet(folder / "expected.parquet")
    found = []
    wanted = expected["equity"].to_numpy()
    if wanted.shape != result.equity.shape:
        return [f"{result.equity.size} bars, expected {wanted.size}"]
    off = np.abs(result.equity / wanted - 1.0)
    if off.max() > 1e-9:
        first = int(np.argmax(off > 1e-9))
        found.append(f"equity: off by {off.max():.3g}, first at bar {first}")
    units = pl.read_parquet(folder / "expected_positions.parquet")
    if units.is_empty():
        return [*found, *(["bars with trades: expected none"] if result.positions.height else [])]
    units = units.pivot(on="symbol", index="timestamp", values="units")
    times, own = units["timestamp"].to_list(), result.positions["timestamp"].to_list()
    if times != own:
        return [*found, f"bars with trades: {len(own)}, expected {len(times)}"]
    for symbol in panel.symbols:
        right, ours = units[symbol].to_numpy(), result.positions[symbol].to_numpy()
        worst = np.max(np.abs(right - ours) / np.maximum(1.0, np.abs(right)))
        if worst > 1e-9:
            found.append(f"units of {symbol}: off by {worst:.3g}")
    return found


@pytest.mark.skipif(not CASES, reason=f"no cases in {_root()}")
@pytest.mark.parametrize("folder", CASES, ids=[folder.name for folder in CASES])
def test_portfolio_is_reproduced(folder):
    OUTCOME[folder.name] = "the run failed"
    found = differences(folder)
    OUTCOME[folder.name] = "; ".join(found)
    assert found == []


@pytest.mark.skipif(not CASES, reason=f"no cases in {_root()}")
def test_other_rules_do_not_fit():
    """Cases tell the rules apart: none that is not said to fit as well reproduces another's."""
    told, able = 0, 0
    for folder in CASES:
        case = json.loads((folder / "case.json").read_text())
        if pl.read_parquet(folder / "expected_positions.parquet")["timestamp"].n_unique() < 2:
            continue  # Without a second trade there is little to tell rules apart by.
        able += 1
        wanted = pl.read_parquet(folder / "expected.parquet")["equity"].to_numpy()
        targets, panel = pl.read_parquet(folder / "targets.parquet"), panel_of(folder)
        for name in (
            "vbt-open",
            "vbt-close",
            "bt-fractional",
            "rule A",
            "rule B",
            "rule C",
            "rule D",
            "rule E",
        ):
            if name in (case["rule_name"], *case["other_rules_with_the_same_figures_here"]):
                continue
            other = {**case, "rule_name": name}
            equity = engine_of(other).run(panel, targets).equity
            told += bool(np.abs(equity / wanted - 1.0).max() > 1e-9)
    assert told >= 5 * able


def portfolio_line():
    """``parity: portfolio N/M`` of the cases that were tried."""
    return f"parity: portfolio {sum(not why for why in OUTCOME.values())}/{len(OUTCOME)}"
