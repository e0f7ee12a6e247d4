"""Many finished runs in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from peak_fast.errors import ConfigError
from peak_fast.guard import guarded_class
from peak_fast.tracking import spool
from peak_fast.tracking.caller import identify
from peak_fast.tracking.caller.channel import Channel, now_ms
from peak_fast.tracking.caller.recorder import Recorder, records_of
from peak_fast.tracking.handles import RunHandle, RunIdList
from peak_fast.tracking.spool import Kind, SegmentWriter


@guarded_class()
class ManyRuns(Recorder):
    """Logs runs that are over before they are logged."""

    def log_results(
        self,
        results: Iterable[Any],
        *,
        parent_run_id: str | None = None,
        run_names: Sequence[str] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> RunIdList:
        """Log finished backtests, each as a run of its own.

        Parameters
        ----------
        results
            ``BacktestResult`` objects.
        parent_run_id
            Parent of the runs, as ``start_run`` or ``get_run_id`` gave it; the active run if None, else no parent.
        run_names
            A name per result; otherwise strategy and data name the run.
        tags
            Tags of each run.

        Returns
        -------
        RunIdList
            MLflow's ids of the runs, in order; the first look at one waits until the runs are in the store.

        Raises
        ------
        ConfigError
            Something else than a result.
        """
        channel = self._channel
        made: list[tuple[SegmentWriter | None, str]] = []
        names = list(run_names or ())
        with channel.lock:
            parent = self._parent(parent_run_id)
            for number, result in enumerate(results):
                if not hasattr(result, "stats"):
                    raise ConfigError(
                        f"log_results: expected BacktestResult objects, got {type(result).__name__} at {number}; "
                        "those before it are logged"
                    )
                run_id = channel.more_runs().pop()._run.run_id
                name = names[number] if number < len(names) else None
                for kind, head, buffers in records_of(channel, run_id, result, channel.parts):
                    if kind in (Kind.FROZEN, Kind.RESULT):
                        head = (*head[:2], name, parent, dict(tags or {}), kind, head[2:])
                        kind = Kind.WHOLE
                    channel.append(kind, head, buffers)
                made.append((channel.segment, run_id))
                channel.rotate()
            if channel.mode == "sync":
                channel.applied()
        return _ids_of(channel, made)

    def log_runs(
        self,
        frame: Any,
        *,
        parent_run_id: str | None = None,
        params: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        run_name: str | None = None,
        common_tags: Mapping[str, Any] | None = None,
    ) -> RunIdList:
        """Log the rows of a frame as finished runs.

        Parameters
        ----------
        frame
            Any data frame, with columns ``params.x``, ``metrics.y``, ``tags.z`` and optionally ``run_name``,
            ``status``, ``start_time``, ``end_time``.
        parent_run_id
            Parent of the runs, as ``start_run`` or ``get_run_id`` gave it; the active run if None, else no parent.
        params, metrics, tags
            Columns without prefix that play these roles.
        run_name
            Column with the names, if it is not called ``run_name``.
        common_tags
            Tags of every run.

        Returns
        -------
        RunIdList
            MLflow's ids of the runs, in the order of the rows; the first look at one waits until the runs are in
            the store.

        Raises
        ------
        ConfigError
            A column without a role, or one that is named and not there.
        TypeError
            Not a table.
        """
        table = spool.prefixed_frame(frame, params, metrics, tags, run_name)
        channel = self._channel
        made: list[tuple[SegmentWriter | None, str]] = []
        with channel.lock:
            parent = self._parent(parent_run_id)
            for head, data, run_ids in spool.frame_records(table, now_ms(), parent, common_tags):
                channel.append(Kind.RUNS, head, [data])
                made += [(channel.segment, run_id) for run_id in run_ids]
                channel.rotate()
            if channel.mode == "sync":
                channel.applied()
        return _ids_of(channel, made)

    def _parent(self, given: str | None) -> str | None:
        """Our id of a parent run, or the store's of one that is not ours; the active run if none is given."""
        run = given._run if isinstance(given, RunHandle) else None
        runs = self._channel.local.runs
        if not given and runs:
            run = runs[-1]
        if run is None:
            return str(given) if given else None
        run.used = True
        own: str = run.run_id
        return own


def _ids_of(channel: Channel, made: list[tuple[SegmentWriter | None, str]]) -> RunIdList:
    """Ids in the store of runs that were logged at once, of which the segment and our id are given."""

    def ask() -> list[str | None]:
        parts = groupby(made, key=itemgetter(0))
        return [
            found
            for segment, runs in parts
            for found in identify.ask(channel, segment, [own for _, own in runs])
        ]

    return RunIdList(len(made), ask)
