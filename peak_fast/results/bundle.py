"""A result as a folder: JSON and Parquet, written to a temporary name and renamed."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from peak_fast.data import Bars
from peak_fast.errors import DataError, writing
from peak_fast.results.codes import TAG
from peak_fast.results.metadata import jsonable
from peak_fast.settings import AnySizing, Costs, Execution, RiskLimits, Stops
from peak_fast.simulation import Outcome
from peak_kernels import slots as t

if TYPE_CHECKING:
    from peak_fast.results.parts import RunParts

R = TypeVar("R", bound="RunParts")

FORMAT = 4
_TABLES = {"orders": t.ORDER_COLUMNS, "fills": t.FILL_COLUMNS, "trades": t.TRADE_COLUMNS}


def save(result: RunParts, folder: Path) -> Path:
    """Write a result; see `BacktestResult.save`."""
    with writing(folder):
        check_folder(folder)
        _write(result, folder)
    return folder


def check_folder(folder: Path) -> None:
    """Make the parents of a folder that will hold a result.

    Raises
    ------
    DataError
        Something else stands there.
    StoreError
        The parents cannot be made.
    """
    if folder.exists() and not (folder / "result.json").is_file():
        raise DataError(f"{str(folder)!r} exists and holds no saved result; choose another folder")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)


def _write(result: RunParts, folder: Path) -> None:
    """Write to a temporary name beside the folder, then rename."""
    import polars as pl

    outcome = result._outcome
    work = folder.parent / f".{folder.name}-{uuid.uuid4().hex}"
    work.mkdir()
    try:
        result.bars.to_polars().write_parquet(work / "bars.parquet")
        pl.DataFrame(dict(zip(("equity", "cash", "position"), outcome.curve, strict=True))).write_parquet(
            work / "curve.parquet"
        )
        for name, columns in _TABLES.items():
            rows = getattr(outcome, name)
            cells = {label: np.ascontiguousarray(rows[:, k]) for k, label in enumerate(columns)}
            if rows.shape[1] > TAG:
                cells["tag"] = np.ascontiguousarray(rows[:, TAG])
            pl.DataFrame(cells).write_parquet(work / f"{name}.parquet")
        (work / "result.json").write_text(json.dumps(_document(result), indent=1, allow_nan=False))
        _replace(work, folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _replace(work: Path, folder: Path) -> None:
    """Move a finished folder into place; the old one is removed only once the new one stands there."""
    if not folder.exists():
        work.rename(folder)
        return
    old = folder.parent / f".{folder.name}-old-{uuid.uuid4().hex}"
    folder.rename(old)
    try:
        work.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _document(result: RunParts) -> dict[str, Any]:
    """Everything that is not a table."""
    outcome = result._outcome
    return {
        "format": FORMAT,
        "symbol": result.symbol,
        "bars": {
            "name": result.bars.name,
            "time_zone": result.bars.time_zone,
            "has_time": result.bars.has_time,
        },
        # repr keeps every bit of a float; NaN is written as text because strict JSON has none.
        "settings": [repr(float(x)) for x in result._settings],
        "state": [repr(float(x)) for x in outcome.state],
        "metrics": [repr(float(x)) for x in outcome.metrics],
        "records": _digest(outcome),
        "stats": jsonable(result.stats),
        "metadata": jsonable(result.metadata),
    }


def _digest(outcome: Outcome) -> str:
    """Hash of what the result's own hash does not cover: orders, trades and the account at the end."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (outcome.orders, outcome.trades, outcome.state):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def load(cls: Callable[..., R], folder: Path) -> R:
    """Read a result; see `BacktestResult.load`."""
    import polars as pl

    try:
        document = json.loads((folder / "result.json").read_text())
        frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in (*_TABLES, "bars", "curve")}
        found = document["format"]
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{str(folder)!r} holds no saved result that can be read: {error}") from None
    if found != FORMAT:
        raise DataError(f"{str(folder)!r}: expected format {FORMAT}; got {found!r}")
    try:
        result = _result_of(cls, document, frames)
        metadata = document["metadata"]
        same = (
            result.hash == metadata["hash"]
            and result.bars.hash == metadata["data"]["hash"]
            and _digest(result._outcome) == document["records"]
        )
    except (LookupError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{str(folder)!r} is damaged: {error!r}") from None
    if not same:
        raise DataError(f"{str(folder)!r} is damaged: its numbers do not match the hash it was saved with")
    # As it was saved: the code that reads a result need not be the code that computed it.
    result.__dict__["metadata"] = metadata
    return result


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
    numbers = {key: np.array([float(x) for x in document[key]]) for key in ("settings", "state", "metrics")}
    curve = np.ascontiguousarray(frames["curve"].select("equity", "cash", "position").to_numpy().T)
    outcome = Outcome(metrics=numbers["metrics"], curve=curve, state=numbers["state"], **tables)
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
    used["sizing"] = TypeAdapter(AnySizing).validate_python(saved["sizing"])
    used["risk_free"] = float(saved["risk_free"]) if saved["risk_free"] is not None else math.nan
    return used
