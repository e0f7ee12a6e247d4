"""The folder of one case, written as the cases' README describes it; needs NumPy and pyarrow only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.cases.made_up import Bars

TOLERANCE = {"rtol": 1e-9, "atol_cash": 1e-6, "atol_other": 1e-9}
SAMPLES = 10


@dataclass(frozen=True)
class Fill:
    """One fill: bar that the engine reports, first bar whose equity contains it, and what was traded."""

    bar: int
    booked_bar: int
    asset: int
    side: int
    size: float
    price: float
    fee: float
    tag: str | None = None


@dataclass
class Outcome:
    """One computed case: what went in, and what the engine made of it."""

    engine: str
    engine_version: str
    api: str
    config: dict[str, Any]
    bars: list[Bars]
    fills: list[Fill]
    equity: np.ndarray
    """``[group, bar]``."""
    cash: np.ndarray
    """``[group, bar]``."""
    position: np.ndarray
    """``[asset, bar]``."""
    inputs: dict[str, np.ndarray] | None = None
    """Settings that vary per bar, each ``[asset, bar]`` (vectorbt)."""
    script: list[dict[str, Any]] | None = None
    """Actions (backtesting.py, backtrader)."""
    trades: dict[str, Sequence[Any]] | None = None
    """Columns of the engine's own list of trades."""
    not_filled: list[Any] = field(default_factory=list)
    native_call: str = ""


def words(value: Any) -> Any:
    """A value as JSON can hold it: numbers without a form there as the words the cases use."""
    if isinstance(value, dict):
        return {str(key): words(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [words(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def long_form(index: str, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays ``[index, bar]`` as columns ``bar``, ``index`` and one each, sorted by index and bar."""
    count, n = next(iter(columns.values())).shape
    out = {"bar": np.tile(np.arange(n), count), index: np.repeat(np.arange(count, dtype=np.int32), n)}
    return {**out, **{name: np.ascontiguousarray(column).reshape(-1) for name, column in columns.items()}}


def _tables(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Columns of each table of the folder."""
    names = outcome.bars[0].columns
    bars = long_form("asset", {name: np.stack([one[name] for one in outcome.bars]) for name in names})
    stamps = np.concatenate([one.time_us for one in outcome.bars]).astype("datetime64[us]")
    fills = outcome.fills
    tables = {
        "bars": {"bar": bars.pop("bar"), "asset": bars.pop("asset"), "timestamp": stamps, **bars},
        "fills": {
            "seq": np.arange(len(fills)),
            **{
                name: np.array([getattr(fill, name) for fill in fills], np.int64)
                for name in ("bar", "booked_bar")
            },
            "asset": np.array([fill.asset for fill in fills], np.int32),
            "side": np.array([fill.side for fill in fills], np.int64),
            **{
                name: np.array([getattr(fill, name) for fill in fills], float)
                for name in ("size", "price", "fee")
            },
            "tag": [fill.tag for fill in fills],
        },
        "equity": long_form("group", {"equity": outcome.equity, "cash": outcome.cash}),
        "positions": long_form("asset", {"position": outcome.position}),
    }
    if outcome.inputs is not None:
        shape = outcome.position.shape
        given = {name: np.broadcast_to(values, shape) for name, values in outcome.inputs.items()}
        tables["inputs"] = long_form("asset", given or {"entry": np.zeros(shape, bool)})
    if outcome.trades is not None:
        tables["trades"] = dict(outcome.trades)
    return tables


def _group(number: int, equity: np.ndarray) -> dict[str, Any]:
    at = np.unique(np.linspace(0, len(equity) - 1, SAMPLES).round().astype(int))
    return {
        "group": number,
        "final_equity": equity[-1],
        "min_equity": equity.min(),
        "max_equity": equity.max(),
        "sum_equity": equity.sum(),
        "samples": [[int(bar), equity[bar]] for bar in at],
        "equity_sha256_f64le": hashlib.sha256(equity.astype("<f8").tobytes()).hexdigest(),
    }


def _meta(name: str, outcome: Outcome, files: list[str], notes: str) -> dict[str, Any]:
    """What ``case.json`` holds."""
    return {
        "id": name,
        "split": "random",
        "engine": outcome.engine,
        "engine_version": outcome.engine_version,
        "api": outcome.api,
        "title": "random settings over made-up bars",
        "tags": ["random", "made_up"],
        "description": "",
        "config": outcome.config,
        "native_call": outcome.native_call,
        "n_bars": len(outcome.bars[0]),
        "n_assets": len(outcome.bars),
        "assets": [one.name for one in outcome.bars],
        "files": files,
        "expected": {
            "n_fills": len(outcome.fills),
            "total_fees": math.fsum(fill.fee for fill in outcome.fills),
            "groups": [_group(number, equity) for number, equity in enumerate(outcome.equity)],
            "final_position": list(outcome.position[:, -1]),
            "metrics": {},
            "not_filled": outcome.not_filled,
        },
        "tolerance": TOLERANCE,
        "notes": notes,
    }


def write(root: Path, name: str, outcome: Outcome, notes: str = "") -> Path:
    """Write one case.

    Parameters
    ----------
    root
        Folder of the cases; made where it does not exist.
    name
        The case's id and the name of its folder.
    outcome
        What to write.
    notes
        A line for the reader: how to make this case again.

    Returns
    -------
    Path
        The case's folder.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    tables = _tables(outcome)
    for table, columns in tables.items():
        arrays = {key: pa.array(values) for key, values in columns.items()}
        if "timestamp" in arrays:
            arrays["timestamp"] = arrays["timestamp"].cast(pa.timestamp("us", tz="UTC"))
        if "tag" in arrays:
            arrays["tag"] = arrays["tag"].cast(pa.string())
        pq.write_table(pa.table(arrays), folder / f"{table}.parquet")
    files = sorted(f"{table}.parquet" for table in tables)
    if outcome.script is not None:
        files.append("script.json")
        (folder / "script.json").write_text(json.dumps(words(outcome.script)), encoding="utf-8")
    meta = words(_meta(name, outcome, files, notes))
    (folder / "case.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
    return folder
