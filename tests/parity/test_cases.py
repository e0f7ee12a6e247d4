"""Cases of other engines, reproduced: every folder of ``$PEAK_FAST_ORACLES/cases`` (default ../shared/cases).

A case counts as reproduced when all fills (bar and side exact; size, price and fee to 1e-9), positions, cash and
equity agree.  Which engine needs which settings is said in the adapters and in `peak_fast.settings.presets`.
"""

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.parity.cases import Case, Unsupported, find_cases, load_case
from tests.parity.reproduce import parity_line, reproduce

REQUIRED = {"vectorbt": 25 / 27, "backtesting.py": 15 / 17, "backtrader": 17 / 21}
OUTCOME: dict[str, list[str]] = {}
FOUND: dict[str, str] = {}


def _root():
    folder = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared"))
    return (folder if folder.is_absolute() else ROOT / folder) / "cases"


CASES = find_cases(_root()) if _root().is_dir() else []


@pytest.mark.parametrize("folder", CASES, ids=[folder.name for folder in CASES])
def test_case_is_reproduced(folder):
    name = folder.name
    FOUND[name], OUTCOME[name] = "", ["the run failed"]
    try:
        case = load_case(folder)
        FOUND[name] = case.engine
        OUTCOME[name] = reproduce(case)
    except Unsupported as why:
        OUTCOME[name] = [f"not supported: {why}"]
        pytest.skip(OUTCOME[name][0])
    except Exception as error:
        OUTCOME[name] = [f"the run failed: {type(error).__name__}: {error}"]
        raise
    assert not OUTCOME[name], "\n".join(OUTCOME[name])


DEFAULTS = {
    "vectorbt": {
        "fees": 0.0, "fixed_fees": 0.0, "slippage": 0.0, "size": "Infinity", "size_type": "amount",
        "min_size": 1e-8, "max_size": "Infinity", "size_granularity": None, "lock_cash": False, "allow_partial": True,
        "accumulate": False, "sl_stop": None, "tp_stop": None, "sl_trail": False, "cash_sharing": False,
        "upon_long_conflict": "ignore", "upon_short_conflict": "ignore", "upon_dir_conflict": "ignore",
        "upon_opposite_entry": "reversereduce", "upon_stop_exit": "close", "upon_stop_update": "override",
        "stop_entry_price": "close", "stop_exit_price": "stoplimit", "call_seq": "default",
        "ohlc_given_for_stops": False, "ffill_val_price": True, "update_value": False, "direction": "both",
    },
    "backtesting.py": {
        "cash": 10000, "commission": 0.0, "spread": 0.0, "margin": 1.0, "trade_on_close": False, "hedging": False,
        "exclusive_orders": False, "finalize_trades": False, "fractional_unit": None,
    },
    "backtrader": {"cash": 10000.0, "slippage": None, "filler": None, "session_end": None},
}  # fmt: skip
"""What each engine takes where a setting is not given."""


@pytest.mark.parametrize("engine", DEFAULTS)
def test_settings_that_are_not_given_have_the_defaults_of_the_engine(engine):
    """Cases without the settings that say what is the default anyway, and with settings nobody knows."""
    folders = [folder for folder in CASES if FOUND.get(folder.name) == engine and not OUTCOME[folder.name]]
    if not folders:
        pytest.skip(f"no case of {engine} was reproduced before")
    for case in map(load_case, folders[:12]):
        kept = {k: v for k, v in case.config.items() if v != DEFAULTS[engine].get(k, "kept")}
        meta = {"engine": engine, "config": kept, "api": case.meta.get("api")}
        assert not reproduce(Case(case.folder, meta, {**kept, "unknown": {"setting": 1}})), case.folder.name


def test_what_cannot_be_translated_is_said():
    if not CASES:
        pytest.skip(f"no case folders at {_root()}; set PEAK_FAST_ORACLES")
    with pytest.raises(Unsupported, match="no adapter for the engine 'zipline'"):
        reproduce(Case(CASES[0], {"engine": "zipline"}, {}))
    with pytest.raises(Unsupported, match="api 'unknown'"):
        reproduce(Case(CASES[0], {"engine": "vectorbt", "api": "unknown"}, {}))


def test_share_of_reproduced_cases_is_high():
    if not CASES:
        pytest.skip(f"no case folders at {_root()}; set PEAK_FAST_ORACLES")
    if len(OUTCOME) < len(CASES):
        pytest.skip("only a part of the cases was selected")
    for engine, share in REQUIRED.items():
        names = [name for name, owner in FOUND.items() if owner == engine]
        reproduced = sum(not OUTCOME[name] for name in names)
        assert reproduced >= share * len(names) - 1e-9, parity_line(FOUND, OUTCOME)
