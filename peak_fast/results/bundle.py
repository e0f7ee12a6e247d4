"""A result as a folder: JSON and Parquet, each save in a folder of its own, and a file that names the one that counts.

::

    result.json                          names the generation
    generation-5f0c1d9ab2e4/
        result.json                      everything that is not a table, and the checksums of the tables
        bars.parquet, curve.parquet, orders.parquet, fills.parquet, trades.parquet

A save writes a new generation, then replaces the file that names it, then removes the old one. Only the middle step
changes what `load` reads, and replacing a file is one step for the system: a save that is killed at any moment
leaves the old result or the new one. What it left behind is removed by the next save. Nothing waits for the disk:
after a power cut within seconds of a save, files may lack what the system had not written yet, and `load` says so.
"""

from __future__ import annotations

import functools
import io
import math
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from peak_fast.data import Bars
from peak_fast.errors import DataError, writing
from peak_fast.files import alone_in, checksum, format_of, sealed, unsealed
from peak_fast.results.codes import TAG
from peak_fast.results.metadata import jsonable
from peak_fast.settings import AnySizing, Costs, Execution, RiskLimits, Stops
from peak_fast.simulation import Outcome
from peak_kernels import slots as t

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.results.parts import RunParts

R = TypeVar("R", bound="RunParts")

FORMAT = 5
DOCUMENT = "result.json"
_TABLES = {"orders": t.ORDER_COLUMNS, "fills": t.FILL_COLUMNS, "trades": t.TRADE_COLUMNS}
_FILES = tuple(f"{name}.parquet" for name in ("bars", "curve", *_TABLES))
_GENERATION = re.compile(r"generation-[0-9a-f]{12}")
_UNFINISHED = re.compile(r"\.result\.json\.[0-9a-f]+\.tmp")
# A result that is replaced while it is read may be replaced again while it is read anew.
_ATTEMPTS = 5
_REMEDY = "take a copy of the folder, or run the backtest again and save it"


def save(result: RunParts, folder: Path) -> Path:
    """Write a result; see `BacktestResult.save`."""
    with writing(folder):
        check_folder(folder)
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            with alone_in(folder):
                _write(result, folder)
        except BaseException:
            if is_new:
                _remove_empty(folder)
            raise
    return folder


def _remove_empty(folder: Path) -> None:
    """Remove a folder that this save made, if nothing came of it."""
    try:
        folder.rmdir()
    except OSError:
        return


def check_folder(folder: Path) -> None:
    """Make the parents of a folder that will hold a result.

    Raises
    ------
    DataError
        Something else stands there.
    StoreError
        The parents cannot be made.
    """
    with writing(folder):
        if folder.exists() and not (folder / DOCUMENT).is_file():
            names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
            # A first save that was killed leaves an empty folder, or one with what it had not finished.
            if not all(_GENERATION.fullmatch(name) or _UNFINISHED.fullmatch(name) for name in names):
                raise DataError(f"{str(folder)!r} exists and holds no saved result; choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)


def _write(result: RunParts, folder: Path) -> None:
    """Write a generation, name it, remove all others."""
    generation = folder / f"generation-{secrets.token_hex(6)}"
    generation.mkdir()
    try:
        _write_files(result, generation)
        _name(folder, generation.name)
    except BaseException:
        if _named(folder) != generation:  # an interruption may come after the step that counts
            shutil.rmtree(generation, ignore_errors=True)
        raise
    _clean(folder, generation.name)


def _name(folder: Path, generation: str) -> None:
    """Replace the file that names the generation that counts."""
    unfinished = folder / f".{DOCUMENT}.{secrets.token_hex(4)}.tmp"
    try:
        unfinished.write_bytes(sealed({"format": FORMAT, "generation": generation}))
        unfinished.replace(folder / DOCUMENT)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _write_files(result: RunParts, generation: Path) -> None:
    """Write tables and document."""
    sums = {}
    for name, frame in _frames(result):
        content = io.BytesIO()
        frame.write_parquet(content, compression="lz4")
        sums[name] = checksum(content.getbuffer(), name)
        (generation / name).write_bytes(content.getbuffer())
    (generation / DOCUMENT).write_bytes(sealed({**_document(result), "files": sums}))


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


def _clean(folder: Path, kept: str) -> None:
    """Remove earlier generations, what killed saves left, and the files of a result of an earlier format."""
    for path in folder.iterdir():
        if path.name == kept:
            continue
        if _GENERATION.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name in _FILES or _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def make_flat(folder: Path) -> None:
    """Make a saved result one flat folder, to be copied elsewhere; `load` reads it, too.

    Other folders stay as they are.
    """
    generation = _named(folder)
    if generation is None or generation == folder:
        return
    for path in generation.iterdir():
        path.replace(folder / path.name)
    generation.rmdir()


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
        "stats": jsonable(result.stats),
        "metadata": jsonable(result.metadata),
    }


def load(cls: Callable[..., R], folder: Path) -> R:
    """Read a result; see `BacktestResult.load`."""
    document, frames = _read(folder)
    try:
        result = _result_of(cls, document, frames)
        metadata = document["metadata"]
        same = result.hash == metadata["hash"] and result.bars.hash == metadata["data"]["hash"]
    except Exception as error:  # sound bytes of something else: whatever it is, it is no result
        raise DataError(f"{str(folder)!r} holds no saved result: {error!r}; {_REMEDY}") from error
    if not same:
        raise DataError(
            f"{str(folder)!r} is damaged: its numbers do not match the hash it was saved with; {_REMEDY}"
        )
    # As it was saved: the code that reads a result need not be the code that computed it.
    result.__dict__["metadata"] = metadata
    return result


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Document and tables of the generation that counts, though a save may replace it meanwhile."""
    for _ in range(_ATTEMPTS):
        generation = _named(folder) or folder
        try:
            return _content(generation)
        except DataError:
            if (_named(folder) or folder) == generation:
                raise
    raise DataError(f"{str(folder)!r} was replaced {_ATTEMPTS} times while it was read; try again")


def _named(folder: Path) -> Path | None:
    """Folder of the generation that counts: the folder itself where it is flat; None where nothing can be read."""
    try:
        content = unsealed((folder / DOCUMENT).read_bytes())
    except (OSError, ValueError):
        return None
    name = content.get("generation")
    if name is None:
        return folder
    return folder / name if isinstance(name, str) and _GENERATION.fullmatch(name) else None


def _content(folder: Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Document and tables of one generation."""
    import polars as pl

    document = _document_of(folder / DOCUMENT)
    frames = {}
    for name in _FILES:
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{str(path)!r} of a saved result cannot be read: {error}; {_REMEDY}") from None
        if checksum(content, name) != document["files"].get(name):
            raise DataError(f"{str(path)!r} is damaged: its checksum is wrong; {_REMEDY}")
        try:
            frames[name.removesuffix(".parquet")] = pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{str(path)!r} holds no table: {error}; {_REMEDY}") from error
    return document, frames


def _document_of(path: Path) -> dict[str, Any]:
    """Everything that is not a table."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path.parent)!r} holds no saved result that can be read: {error}") from None
    old = format_of(raw)
    try:
        document = unsealed(raw) if old is None else {"format": old}
    except ValueError as error:
        raise DataError(f"{str(path)!r} is damaged: {error}; {_REMEDY}") from None
    if document.get("format") != FORMAT:
        raise DataError(
            f"{str(path.parent)!r}: expected a saved result of format {FORMAT}; got {document.get('format')!r}; "
            "read it with the version of peak_fast that wrote it, or run the backtest again and save it"
        )
    if not isinstance(document.get("files"), dict):
        raise DataError(f"{str(path)!r} names a generation that is not there; {_REMEDY}")
    return document


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
    used["sizing"] = _sizing().validate_python(saved["sizing"])
    used["risk_free"] = float(saved["risk_free"]) if saved["risk_free"] is not None else math.nan
    return used


@functools.cache
def _sizing() -> TypeAdapter[Any]:
    """Reader of sizing rules: pydantic builds it anew each time it is asked, which takes longer than the rest."""
    return TypeAdapter(AnySizing)
