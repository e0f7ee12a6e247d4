"""Cases of other engines, reproduced: every folder of ``$PEAK_FAST_ORACLES/cases`` (default ../shared/cases).

A case counts as reproduced when all fills (bar and side exact; size, price and fee to 1e-9), positions, cash and
equity agree.  Which engine needs which settings is said in the adapters and in `peak_fast.presets`.
"""

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.parity.adapters import backtesting_py, backtrader, vectorbt
from tests.parity.cases import Unsupported, differences, find_cases

ENGINES = {"vectorbt": vectorbt, "backtesting.py": backtesting_py, "backtrader": backtrader}
REQUIRED = {"vectorbt": 25 / 27, "backtesting.py": 15 / 17, "backtrader": 17 / 21}
OUTCOME: dict[str, list[str]] = {}
FOUND: dict[str, str] = {}


def _root():
    folder = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared"))
    return (folder if folder.is_absolute() else ROOT / folder) / "cases"


CASES = find_cases(_root()) if _root().is_dir() else []


def parity_line():
    """``parity: vectorbt a/b, backtesting.py c/d, backtrader e/f``."""
    parts = []
    for engine in ENGINES:
        names = [name for name, owner in FOUND.items() if owner == engine]
        parts.append(f"{engine} {sum(not OUTCOME[name] for name in names)}/{len(names)}")
    return "parity: " + ", ".join(parts)


@pytest.mark.parametrize("case", CASES, ids=[case.folder.name for case in CASES])
def test_case_is_reproduced(case):
    assert case.engine in ENGINES, f"no adapter for the engine {case.engine!r}"
    name = case.folder.name
    FOUND[name], OUTCOME[name] = case.engine, ["the run failed"]
    try:
        run = ENGINES[case.engine].run(case)
    except Unsupported as why:
        OUTCOME[name] = [f"not supported: {why}"]
        pytest.skip(OUTCOME[name][0])
    OUTCOME[name] = differences(case, run)
    assert not OUTCOME[name], "\n".join(OUTCOME[name])


def test_share_of_reproduced_cases_is_high():
    if not CASES:
        pytest.skip(f"no case folders at {_root()}; set PEAK_FAST_ORACLES")
    if len(OUTCOME) < len(CASES):
        pytest.skip("only a part of the cases was selected")
    for engine, share in REQUIRED.items():
        names = [name for name, owner in FOUND.items() if owner == engine]
        reproduced = sum(not OUTCOME[name] for name in names)
        assert reproduced >= share * len(names) - 1e-9, parity_line()
