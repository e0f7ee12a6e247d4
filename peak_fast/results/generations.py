"""A saved result as a folder: each save in a folder of its own, and a file that names the one that counts.

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

import io
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from peak_fast.errors import DataError, writing
from peak_fast.files import alone_in, checksum, format_of, refuse_address, sealed, unsealed
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

    Frames = Iterable[tuple[str, pl.DataFrame]]


class Hashed(Protocol):
    """A result that knows the identity of its numbers."""

    @property
    def hash(self) -> str:
        """Equal for equal bits."""


R = TypeVar("R", bound=Hashed)

DOCUMENT = "result.json"
REMEDY = "take a copy of the folder, or run the backtest again and save it"
# Files of a result of an earlier format, which had no generations.
_FLAT = tuple(f"{name}.parquet" for name in ("bars", "curve", "orders", "fills", "trades"))
_GENERATION = re.compile(r"generation-[0-9a-f]{12}")
_UNFINISHED = re.compile(r"\.result\.json\.[0-9a-f]+\.tmp")
# A result that is replaced while it is read may be replaced again while it is read anew.
_ATTEMPTS = 5


def save_parts(folder: Path, parts: Callable[[], tuple[Frames, Mapping[str, Any]]]) -> Path:
    """Write what ``parts`` gives as the generation that counts: tables by their files, a document with its ``format``.

    Raises
    ------
    DataError
        Something else stands there.
    StoreError
        The folder cannot be written.
    """
    with writing(folder):
        check_folder(folder)
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            with alone_in(folder):
                _write(folder, *parts())
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
    refuse_address(folder)
    with writing(folder):
        if folder.exists() and not (folder / DOCUMENT).is_file():
            names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
            # A first save that was killed leaves an empty folder, or one with what it had not finished.
            if not all(_GENERATION.fullmatch(name) or _UNFINISHED.fullmatch(name) for name in names):
                raise DataError(f"{str(folder)!r} exists and holds no saved result; choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)


def _write(folder: Path, frames: Frames, document: Mapping[str, Any]) -> None:
    """Write a generation, name it, remove all others."""
    generation = folder / f"generation-{secrets.token_hex(6)}"
    generation.mkdir()
    try:
        _write_files(frames, document, generation)
        _name(folder, generation.name, document["format"])
    except BaseException:
        if _named(folder) != generation:  # an interruption may come after the step that counts
            shutil.rmtree(generation, ignore_errors=True)
        raise
    _clean(folder, generation.name)


def _name(folder: Path, generation: str, form: Any) -> None:
    """Replace the file that names the generation that counts."""
    unfinished = folder / f".{DOCUMENT}.{secrets.token_hex(4)}.tmp"
    try:
        unfinished.write_bytes(sealed({"format": form, "generation": generation}))
        unfinished.replace(folder / DOCUMENT)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _write_files(frames: Frames, document: Mapping[str, Any], generation: Path) -> None:
    """Write tables and document."""
    sums = {}
    for name, frame in frames:
        content = io.BytesIO()
        frame.write_parquet(content, compression="lz4")
        sums[name] = checksum(content.getbuffer(), name)
        (generation / name).write_bytes(content.getbuffer())
    (generation / DOCUMENT).write_bytes(sealed({**document, "files": sums}))


def _clean(folder: Path, kept: str) -> None:
    """Remove earlier generations, what killed saves left, and the files of a result of an earlier format."""
    for path in folder.iterdir():
        if path.name == kept:
            continue
        if _GENERATION.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name in _FLAT or _UNFINISHED.fullmatch(path.name):
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


def numbers_of(settings: FloatArray, outcome: Any) -> dict[str, list[str]]:
    """Settings, state and metrics for a document: repr keeps every bit, and NaN is a text, as strict JSON has none."""
    arrays = {"settings": settings, "state": outcome.state, "metrics": outcome.metrics}
    return {key: [repr(float(x)) for x in array] for key, array in arrays.items()}


def numbers_in(document: Mapping[str, Any]) -> dict[str, FloatArray]:
    """What `numbers_of` wrote."""
    return {key: np.array([float(x) for x in document[key]]) for key in ("settings", "state", "metrics")}


def load_checked(
    folder: Path, files: Sequence[str], form: Any, make: Callable[..., tuple[R, str]], kind: str
) -> R:
    """A result whose numbers match the hash that it was saved with.

    Parameters
    ----------
    files, form
        As of `load_parts`.
    make
        From document and tables the result, and the hash of its data.
    kind
        What it is, for errors.

    Raises
    ------
    DataError
        The folder holds no such result, or not the one its hash names.
    """
    document, frames = load_parts(folder, files, form)
    try:
        result, data_hash = make(document, frames)
        metadata = document["metadata"]
        same = result.hash == metadata["hash"] and data_hash == metadata["data"]["hash"]
    except Exception as error:  # sound bytes of something else: whatever it is, it is no result
        raise DataError(f"{str(folder)!r} holds no saved {kind}: {error!r}; {REMEDY}") from error
    if not same:
        raise DataError(
            f"{str(folder)!r} is damaged: its numbers do not match the hash it was saved with; {REMEDY}"
        )
    # As it was saved: the code that reads a result need not be the code that computed it.
    result.__dict__["metadata"] = metadata
    return result


def load_parts(
    folder: Path, files: Sequence[str], form: Any
) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Document and tables of the generation that counts, though a save may replace it meanwhile.

    Parameters
    ----------
    files
        Names of the tables' files.
    form
        Number of the format that the document must have.

    Raises
    ------
    DataError
        They cannot be read, or are not those that were saved.
    """
    for _ in range(_ATTEMPTS):
        generation = _named(folder) or folder
        try:
            return _content(generation, files, form)
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


def _content(folder: Path, files: Sequence[str], form: Any) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Document and tables of one generation."""
    import polars as pl

    document = _document_of(folder / DOCUMENT, form)
    frames = {}
    for name in files:
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{str(path)!r} of a saved result cannot be read: {error}; {REMEDY}") from None
        if checksum(content, name) != document["files"].get(name):
            raise DataError(f"{str(path)!r} is damaged: its checksum is wrong; {REMEDY}")
        try:
            frames[name.removesuffix(".parquet")] = pl.read_parquet(io.BytesIO(content))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{str(path)!r} holds no table: {error}; {REMEDY}") from error
    return document, frames


def _document_of(path: Path, form: Any) -> dict[str, Any]:
    """Everything that is not a table."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path.parent)!r} holds no saved result that can be read: {error}") from None
    old = format_of(raw)
    try:
        document = unsealed(raw) if old is None else {"format": old}
    except ValueError as error:
        raise DataError(f"{str(path)!r} is damaged: {error}; {REMEDY}") from None
    if document.get("format") != form:
        raise DataError(
            f"{str(path.parent)!r}: expected a saved result of format {form}; got {document.get('format')!r}; "
            "read it with the version of peak_fast that wrote it, or run the backtest again and save it"
        )
    if not isinstance(document.get("files"), dict):
        raise DataError(f"{str(path)!r} names a generation that is not there; {REMEDY}")
    return document
