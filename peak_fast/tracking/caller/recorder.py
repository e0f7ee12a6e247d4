"""The logging calls of a tracker that writes to a spool."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peak_fast.guard import guarded_class
from peak_fast.tracking.backtest import log_bundle
from peak_fast.tracking.base import logger
from peak_fast.tracking.caller.active import OpenRun
from peak_fast.tracking.caller.capture import can_freeze
from peak_fast.tracking.caller.channel import Channel, now_ms
from peak_fast.tracking.payloads import figure_bytes, table_bytes
from peak_fast.tracking.sanitize import as_text, clean_step, flatten, mapping_of, split_metrics
from peak_fast.tracking.spool import Kind, Part
from peak_fast.tracking.stores import clean_artifact_path

# Files up to this size travel inside the spool, larger ones beside it.
INLINE_BYTES = 1 << 18
# Entries of a payload.
_OF_BARS, _OF_RESULT = ("time_us", "close", "time_zone"), ("stats", "metadata", "equity", "trades")
# The file name that fits an object, and its content.
MakeFile = Callable[[Any, str], tuple[str, bytes]]


# A loop of runs calls `log_result` only, and each microsecond counts there.
@guarded_class(without=("log_result", "log_result_values"))
class Recorder:
    """Turns logging calls into records of a channel.

    Parameters
    ----------
    channel
        Where the records go.
    """

    enabled = True

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _append(self, kind: int, value: Any, *more: Any, buffers: Sequence[Any] = ()) -> None:
        """Append a record about the innermost run; without one, say so at debug level."""
        channel = self._channel
        with channel.lock:
            run = self._run_for("the call")
            if run is None:
                return
            run.used = True
            channel.append(kind, (run.run_id, now_ms(), value, *more), buffers)
            if channel.mode == "sync":
                channel.applied()

    def _run_for(self, call: str) -> OpenRun | None:
        """The innermost run of this thread; without one, a word of its own where only other threads have one."""
        runs = self._channel.local.runs
        if runs:
            return runs[-1]
        if self._channel.open:
            self._channel.warn(
                "thread",
                f"{call} is ignored: this thread has no active run, another one has (each thread has its own, as in "
                "MLflow); start a run in this thread, or hand the values over to the thread that has it",
            )
        else:
            logger.debug("no active run: %s is ignored", call)
        return None

    def log_params(self, params: Any) -> None:
        """Log parameters of the active run.

        Parameters
        ----------
        params
            Mapping, pydantic model or dataclass.  Nested ones are flattened with dots, lists become JSON,
            values are cut to 6,000 characters.  A parameter keeps its first value; another one is dropped
            with a warning.
        """
        channel = self._channel
        with channel.lock:
            run = self._run_for("log_params")
            if run is None:
                return
            if params is not None and mapping_of(params) is None:
                self._no_mapping("log_params", params)
                return
            known = run.params = run.params or {}
            changed: list[str] = []
            flat = flatten(params, twice=changed)
            changed += [key for key, value in flat.items() if known.get(key, value) != value]
            if changed:
                channel.warn(
                    f"params {changed}",
                    f"log_params: {changed} were logged with other values; the first ones stay",
                )
            self._append(Kind.PARAMS, flat)
            known.update({key: value for key, value in flat.items() if key not in known})

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics of the active run.

        Parameters
        ----------
        metrics
            Numbers of any type.  NaN and infinities are stored as NaN plus the tag ``metric.<key>``; text
            becomes a tag; None is dropped with one warning.
        step
            Position in a series; 0 if None.
        """
        entries = mapping_of(metrics)
        if entries is None:
            self._no_mapping("log_metrics", metrics)
            return
        if self._run_for("log_metrics") is None:
            return
        split = split_metrics(entries)
        if split.dropped:
            self._channel.warn("None", f"log_metrics: {split.dropped} have no value and are dropped")
        position = clean_step(step)
        if position is None:
            self._channel.warn(
                "step", f"log_metrics: step {as_text(step):.80} is not a whole number of 64 bits; 0 is taken"
            )
            position = 0
        try:
            self._append(Kind.METRICS, split.numbers, position, split.tags)
        except BaseException:
            self._channel.unlock()
            raise

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the active run; a later value replaces an earlier one, None values are left out."""
        entries = mapping_of(tags)
        if entries is None:
            self._no_mapping("set_tags", tags)
            return
        self._append(Kind.TAGS, dict(entries))

    def _no_mapping(self, call: str, given: Any) -> None:
        """Warn of something else than a mapping; None is nothing, and nothing is said."""
        if given is not None:
            self._channel.warn(
                f"{call} mapping",
                f"{call}: expected a mapping of names to values, got {type(given).__name__}; it is not recorded",
            )

    def log_artifact(self, path: str | Path, artifact_path: str | None = None) -> None:
        """Log a file, or all files of a folder, as they are now.

        Parameters
        ----------
        path
            A missing file is a warning.
        artifact_path
            Folder inside the run's artifacts.
        """
        if self._run_for("log_artifact") is None:
            return
        source = Path(path)
        base = f"{artifact_path}/" if artifact_path else ""
        if source.is_dir():
            found = sorted(file for file in source.rglob("*") if file.is_file())
            names = [(file, f"{base}{source.name}/{file.relative_to(source).as_posix()}") for file in found]
        else:
            names = [(source, base + source.name)]
        for file, name in names:
            try:
                self._log_file(file, name)
            except OSError as error:
                self._channel.warn(f"artifact {file}", f"log_artifact: {file} cannot be logged: {error}")

    def _log_file(self, file: Path, name: str) -> None:
        target = clean_artifact_path(name)
        if file.stat().st_size <= INLINE_BYTES:
            self._append(Kind.ARTIFACT, target, None, buffers=[file.read_bytes()])
            return
        with self._channel.lock:
            segment = self._channel.segment or self._channel.opened()
            if segment is not None:  # else nothing is recorded, which was said
                self._append(Kind.ARTIFACT, target, segment.keep_file(file))

    def _log_bytes(self, data: bytes, artifact_file: str, artifact_path: str | None) -> None:
        name = f"{artifact_path}/{artifact_file}" if artifact_path else artifact_file
        self._append(Kind.ARTIFACT, clean_artifact_path(name), None, buffers=[data])

    def _log_made(
        self, call: str, done: str, make: MakeFile, thing: Any, name: str, artifact_path: str | None
    ) -> None:
        """Log the file that is made of an object of the user's; where that fails, with a warning."""
        if self._run_for(call) is None:
            return
        try:
            fitting, data = make(thing, name)
        except (
            Exception
        ) as error:  # the user's code, a cell that the format cannot hold, another kind of object
            self._channel.warn(f"{call} {name}", f"{call}: {name} cannot be {done}: {error}")
            return
        self._log_bytes(data, fitting, artifact_path)

    def log_figure(self, figure: Any, artifact_file: str, artifact_path: str | None = None) -> None:
        """Log a Matplotlib or Plotly figure, a Pillow image, or finished PNG bytes.

        A figure that cannot be drawn is a warning.
        """
        self._log_made("log_figure", "drawn", figure_bytes, figure, str(artifact_file), artifact_path)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Log text as a UTF-8 file."""
        self._log_bytes(str(text).encode("utf-8", "replace"), str(artifact_file), None)

    def log_dict(self, dictionary: Mapping[str, Any], artifact_file: str) -> None:
        """Log a mapping (or a list) as a JSON file; values that JSON cannot hold become text."""
        name = str(artifact_file)
        try:
            text = json.dumps(dictionary, default=as_text, indent=2, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            text = json.dumps(flatten(dictionary), indent=2, ensure_ascii=False)
        self._log_bytes(text.encode("utf-8", "replace"), name if "." in name else f"{name}.json", None)

    def log_table(self, table: Any, artifact_file: str) -> None:
        """Log a data frame as ``.parquet``, ``.json`` or ``.csv``, by the ending of the name.

        What is no table, or another ending, is a warning.
        """
        self._log_made("log_table", "written", table_bytes, table, str(artifact_file), None)

    def log_result(self, result: Any, *, bundle: bool = False) -> None:
        """Log a finished backtest into the active run: parameters, metrics, tags, dataset, artifacts.

        Parameters
        ----------
        result
            A ``BacktestResult``.
        bundle
            Also log everything that ``result.save`` writes, below ``bundle/``.
        """
        channel = self._channel
        try:
            with channel.lock:
                runs, segment = channel.local.runs, channel.segment
                stored = False
                if runs and segment is not None:
                    run = runs[-1]
                    # Before the record: a run that may hold something does not take another name.
                    run.used = True
                    # What most results of a loop are; the others take the longer way.
                    stored = segment.capture.store(segment, run.raw, result)
        except BaseException:
            channel.unlock()
            raise
        if not stored:
            self._log_result(result, channel.parts)
        if bundle:
            log_bundle(self, result)

    def log_result_values(self, result: Any) -> None:
        """Log parameters, metrics, tags and dataset of a finished backtest, without artifacts."""
        self._log_result(result, Part.VALUES)

    def _log_result(self, result: Any, parts: int) -> None:
        channel = self._channel
        try:
            with channel.lock:
                run = self._run_for("log_result")
                if run is None:
                    return
                run.used = True
                for record in records_of(channel, run.run_id, result, parts):
                    channel.append(*record)
                if channel.mode == "sync":
                    channel.applied()
        except BaseException:
            channel.unlock()
            raise

    def spool_backtest_artifacts(self, payload: Any) -> bool:
        """Let the writer render the artifacts of a payload (see :mod:`peak_fast.report.payload`), or of a portfolio.

        Returns
        -------
        bool
            True: they are on their way (also without an active run, where nothing is logged).
        """
        parts = Part.FIGURE | Part.REPORTS | self._channel.parts & Part.SHEET
        if not isinstance(payload, Mapping):
            self._log_result(payload, parts)
            return True
        bars = None
        if payload.get("time_us") is not None and payload.get("close") is not None:
            # Written anew each time: these may be other ones than a hash in the metadata says.
            digest = os.urandom(8).hex()
            bars = SimpleNamespace(hash=digest, **{name: payload.get(name) for name in _OF_BARS})
        result = SimpleNamespace(bars=bars, **{name: payload.get(name) for name in _OF_RESULT})
        self._log_result(result, parts)
        return True


def records_of(
    channel: Channel, run_id: str, result: Any, parts: int
) -> Iterator[tuple[int, tuple[Any, ...], Sequence[Any]]]:
    """Kind, head and buffers of what must be there before a result, and of the result itself, the last one.

    Whoever asks for the next one has appended the one before.
    """
    segment = channel.segment or channel.opened()
    if segment is None:
        return
    capture = segment.capture
    if not can_freeze(result):
        yield from capture.plain(run_id, now_ms(), result, parts)
        return
    yield from capture.share(result)
    yield Kind.FROZEN, *capture.frozen(run_id, now_ms(), result, parts)
