"""A result as JSON and Parquet; how the folder is written and read: `peak_fast.results.generations`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from peak_fast.data import Bars
from peak_fast.results.codes import TAG
from peak_fast.results.generations import load_checked, numbers_in, numbers_of, save_parts
from peak_fast.results.metadata import jsonable
from peak_fast.settings import AnySizing, Costs, Execution, RiskLimits, Stops
from peak_fast.simulation import Outcome
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results.parts import RunParts

R = TypeVar("R", bound="RunParts")

FORMAT = 5
_TABLES = {"orders": t.ORDER_COLUMNS, "fills": t.FILL_COLUMNS, "trades": t.TRADE_COLUMNS}
_FILES = tuple(f"{name}.parquet" for name in ("bars", "curve", *_TABLES))


def save(result: RunParts, folder: Path) -> Path:
    """Write a result; see `BacktestResult.save`."""
    return save_parts(folder, lambda: (_frames(result), _document(result)))


def _frames(result: RunParts) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables of a result by the names of their files."""
    import polars as pl

    outcome = result._outcome
    yield "bars.parquet", result.bars.to_polars()
    yield "curve.parquet", pl.DataFrame(dict(zip(("equity", "cash", "position"), outcome.curve, strict=True)))
    for name, columns in _TABLES.items():
        rows = getattr(outcome, name)
        cells = {label: np.ascontiguousarray(rows[:, k]) for k, label in enumerate(columns)}
        if rows.shape[1] > TAG:
            cells["tag"] = np.ascontiguousarray(rows[:, TAG])
        yield f"{name}.parquet", pl.DataFrame(cells)


def _document(result: RunParts) -> dict[str, Any]:
    """Everything that is not a table."""
    return {
        "format": FORMAT,
        "symbol": result.symbol,
        "bars": {
            "name": result.bars.name,
            "time_zone": result.bars.time_zone,
            "has_time": result.bars.has_time,
        },
        **numbers_of(result._settings, result._outcome),
        **_charges_of(result._outcome.charges),
        "stats": jsonable(result.stats),
        "metadata": jsonable(result.metadata),
    }


def _charges_of(charges: Any) -> dict[str, list[list[str]]]:
    """Payments of financing, where a run has it; repr keeps every bit."""
    return {} if charges is None else {"charges": [[repr(float(x)) for x in row] for row in charges]}


def _charges_in(document: dict[str, Any]) -> Any:
    """What `_charges_of` wrote."""
    rows = document.get("charges")
    if rows is None:
        return None
    return np.array([[float(x) for x in row] for row in rows]).reshape(-1, len(p.CHARGE_COLUMNS))


def load(cls: Callable[..., R], folder: Path) -> R:
    """Read a result; see `BacktestResult.load`."""
    return load_checked(folder, _FILES, FORMAT, functools.partial(_made, cls), "result")


def _made(cls: Callable[..., R], document: dict[str, Any], frames: dict[str, Any]) -> tuple[R, str]:
    """The result and the hash of its prices."""
    result = _result_of(cls, document, frames)
    return result, result.bars.hash


def _result_of(cls: Callable[..., R], document: dict[str, Any], frames: dict[str, Any]) -> R:
    """The result from its document and its tables."""
    frame, about = frames["bars"], document["bars"]
    timed = frame if about["has_time"] else frame.drop("timestamp")
    bars = Bars.from_frame(timed, name=about["name"])
    # Not what was noticed when this copy was read: the result's own notes say how its bars came to be.
    object.__setattr__(bars, "_notes", ())
    object.__setattr__(bars, "_remarks", ())
    tables = {}
    for name, columns in _TABLES.items():
        tagged = "tag" in frames[name].columns
        rows = np.zeros((frames[name].height, t.RECORD_WIDTH + tagged))
        rows[:, : len(columns)] = frames[name].select(columns).to_numpy()
        if tagged:
            rows[:, TAG] = frames[name]["tag"].to_numpy()
        tables[name] = rows
    numbers = numbers_in(document)
    curve = np.ascontiguousarray(frames["curve"].select("equity", "cash", "position").to_numpy().T)
    outcome = Outcome(
        metrics=numbers["metrics"],
        curve=curve,
        state=numbers["state"],
        **tables,
        charges=_charges_in(document),
    )
    strategy = document["metadata"]["strategy"]
    used = _settings_of(document["metadata"]["settings"])
    return cls(
        bars, outcome, numbers["settings"], strategy["name"], strategy["params"], used, document["symbol"],
        notes=tuple(document["metadata"].get("notes", ())),
    )  # fmt: skip


def _settings_of(saved: dict[str, Any]) -> dict[str, Any]:
    """Settings objects from their saved values."""
    kinds: dict[str, Any] = {
        "execution": Execution,
        "costs": Costs,
        "stops": Stops,
        "risk_limits": RiskLimits,
    }
    used = {name: kinds[name](**value) if name in kinds else value for name, value in saved.items()}
    used["sizing"] = _sizing().validate_python(saved["sizing"])
    used["risk_free"] = float(saved["risk_free"]) if saved["risk_free"] is not None else math.nan
    return used


@functools.cache
def _sizing() -> Any:
    """Reader of sizing rules: pydantic builds it anew each time it is asked, which takes longer than the rest."""
    from pydantic import TypeAdapter

    return TypeAdapter(AnySizing)
