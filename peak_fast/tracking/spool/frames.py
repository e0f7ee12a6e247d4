"""Many finished runs as one data frame: one spool record per five hundred rows.

Columns say what they are by their prefix: ``params.x``, ``metrics.y``, ``tags.z``; the others that are known
are ``run_name``, ``status``, ``start_time`` and ``end_time`` (milliseconds since the epoch or datetimes).

Head of a RUNS record::

    (None, time in ms, run ids as bytes (16 each), parent run id or None, tags of all runs)

The buffer is the frame in Arrow's IPC format.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.tracking import sanitize
from peak_fast.tracking.handles import STATUSES
from peak_fast.tracking.payloads import polars_frame
from peak_fast.tracking.updates import PARENT_RUN_ID

ROWS_PER_RECORD = 500
PREFIXES = ("params.", "metrics.", "tags.")
PLAIN = ("run_name", "status", "start_time", "end_time")

Head = tuple[Any, ...]


class FrameRun(NamedTuple):
    """One row of a frame, ready to be stored; ``end`` are status and time."""

    run_id: str
    name: str | None
    start_ms: int
    end: tuple[str, int]
    params: dict[str, str]
    metrics: list[tuple[str, float, int, int]]
    tags: dict[str, str]


def prefixed_frame(
    frame: Any,
    params: Sequence[str] | None,
    metrics: Sequence[str] | None,
    tags: Sequence[str] | None,
    run_name: str | None,
) -> Any:
    """Any data frame with every column named by its role; the arguments name columns that play these without prefix."""
    table = polars_frame(frame)
    renamed: dict[str, str] = {}
    for prefix, names in zip(PREFIXES, (params, metrics, tags), strict=True):
        for name in names or ():
            renamed[name] = name if name.startswith(prefix) else prefix + name
    if run_name is not None:
        renamed[run_name] = "run_name"
    for name in renamed:
        if name not in table.columns:
            raise ConfigError(f"log_runs: there is no column {name!r}; {did_you_mean(name, table.columns)}")
    table = table.rename(renamed)
    for name in table.columns:
        if name not in PLAIN and not name.startswith(PREFIXES):
            raise ConfigError(
                f"log_runs: the role of column {name!r} is not known; expected a prefix out of {PREFIXES}, "
                f"one of {PLAIN}, or its name in params=, metrics= or tags="
            )
    return table


def frame_records(
    table: Any, now_ms: int, parent: str | None, tags: Mapping[str, Any] | None
) -> Iterator[tuple[Head, bytes, list[str]]]:
    """Head, buffer and run ids of each RUNS record of a prefixed frame."""
    for start in range(0, table.height, ROWS_PER_RECORD):
        part = table.slice(start, ROWS_PER_RECORD)
        data = os.urandom(16 * part.height)
        buffer = io.BytesIO()
        part.write_ipc(buffer)
        yield (None, now_ms, data, parent, dict(tags or {})), buffer.getvalue(), _hex_ids(data)


def _hex_ids(data: bytes) -> list[str]:
    return [data[i : i + 16].hex() for i in range(0, len(data), 16)]


def frame_runs(head: Any, data: bytes) -> Iterator[FrameRun]:
    """The runs of a RUNS record, in the order of the rows."""
    import polars as pl

    _, now_ms, ids, parent, shared = head
    table = pl.read_ipc(io.BytesIO(data))
    common = sanitize.clean_tags(shared)
    if parent:
        common[PARENT_RUN_ID] = parent
    roles = [
        [(sanitize.clean_key(name[len(p) :]), name) for name in table.columns if name.startswith(p)]
        for p in PREFIXES
    ]
    for run_id, row in zip(_hex_ids(ids), table.iter_rows(named=True), strict=True):
        params = {
            key: sanitize.clean_text(sanitize.as_text(row[n]), sanitize.MAX_PARAM)
            for key, n in roles[0]
            if row[n] is not None
        }
        split = sanitize.split_metrics({key: row[n] for key, n in roles[1] if row[n] is not None})
        tags = sanitize.clean_tags({key: row[n] for key, n in roles[2]})
        start = _milliseconds(row.get("start_time"), now_ms)
        end = _milliseconds(row.get("end_time"), max(start, now_ms))
        status = str(row.get("status") or "FINISHED").upper()
        yield FrameRun(
            run_id,
            None if row.get("run_name") is None else str(row["run_name"]),
            start,
            (status if status in STATUSES else "FINISHED", end),
            params,
            [(key, value, end, 0) for key, value in split.numbers.items()],
            {**common, **split.tags, **tags},
        )


def _milliseconds(value: Any, default: int) -> int:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    found = None if value in (None, "") else sanitize.clean_step(value)
    return default if found is None else found
