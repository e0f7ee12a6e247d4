"""What a tracker gets of a sweep: one parent run with the table, child runs of all or of the best."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sized
from typing import Any, Protocol

from peak_fast.errors import ConfigError
from peak_fast.masking import masked
from peak_fast.metrics import higher_is_better
from peak_fast.sweep.view import Finished
from peak_fast.tracking import has_run

# Above these sizes only the best are logged, so that the cost of tracking never grows with the sweep.
CHILD_RUNS = 2_000
BEST_RUNS = 20
TABLE_ROWS = 200_000


class Described(Protocol):
    """What a run says of a sweep; see `peak_fast.sweep.runner.Sweep`."""

    strategy: Any

    @property
    def data(self) -> Mapping[str, Any]:
        """Bars by name."""

    @property
    def grid(self) -> Sized:
        """The configurations."""

    def settings(self) -> dict[str, Any]:
        """Settings that all of them share."""


def curves_wanted(keep_curves: str | int | None) -> int:
    """Number of curves in ``"best:10"``, 10 or None.

    Raises
    ------
    ConfigError
        Something else.
    """
    if keep_curves is None:
        return 0
    text = str(keep_curves).removeprefix("best:")
    if isinstance(keep_curves, bool) or not text.isdecimal():
        raise ConfigError(f"keep_curves: expected 'best:10', a number or None; got {keep_curves!r}")
    return int(text)


def log_sweep(tracker: Any, sweep: Described, result: Finished, keep_curves: str | int | None) -> None:
    """Record a finished sweep; the tracker's troubles are a warning and never the sweep's."""
    curves = curves_wanted(keep_curves)
    if type(tracker).__name__ == "NoopTracker":
        return
    try:
        own = not has_run(tracker)
        if own:
            tracker.start_run(f"sweep {sweep.strategy.name}")
        try:
            _log_parent(tracker, sweep, result, curves)
            _log_children(tracker, result)
        finally:
            if own:
                tracker.end_run()
    except Exception as error:
        reason = masked(repr(error))
        warnings.warn(f"the tracker could not record this sweep: {reason}", RuntimeWarning, stacklevel=3)


def _log_parent(tracker: Any, sweep: Described, result: Finished, curves: int) -> None:
    """Settings, size, best values, table, heatmap and curves on the parent run."""
    by = result.default_metric
    best = result.top(1, by).row(0, named=True)
    tracker.set_tags({"peak_fast.kind": "sweep", "peak_fast.strategy": sweep.strategy.name})
    tracker.log_params(
        {"settings": sweep.settings(), "best": {name: best[name] for name in result.parameters}}
    )
    tracker.log_params({"data": {name: bars.hash for name, bars in sweep.data.items()}})
    tracker.log_metrics({"configurations": len(sweep.grid), **{f"best_{n}": best[n] for n in result.metrics}})
    # The table may lie in a store that a later sweep restarts: what is logged is a copy.
    rows = result.frame if len(result) <= TABLE_ROWS else result.top(TABLE_ROWS // 10, by)
    tracker.log_table(rows, "sweep/table.parquet")
    tracker.log_table(result.top(100, by), "sweep/top.json")
    numeric = [name for name in result.parameters if rows[name].dtype.is_numeric()]
    numeric = [name for name in numeric if rows[name].n_unique() > 1]
    if len(numeric) >= 2 and importlib.util.find_spec("matplotlib") is not None:
        tracker.log_figure(result.heatmap(numeric[0], numeric[1], by), "sweep/heatmap.png")
    if curves:
        tracker.log_table(result.curves(curves, by), "sweep/curves.parquet")


def _log_children(tracker: Any, result: Finished) -> None:
    """Child runs of every configuration of a small sweep, of the best ones of a large one."""
    log_runs = getattr(tracker, "log_runs", None)
    if log_runs is None:
        return
    by = result.default_metric
    small = len(result) <= CHILD_RUNS
    rows = result.frame if small else result.top(BEST_RUNS, by, descending=higher_is_better(by))
    import polars as pl

    names = rows["config"].cast(pl.String).alias("run_name")
    kept = rows.select(*result.parameters, *result.metrics).with_columns(
        ("config " + names).alias("run_name")
    )
    log_runs(
        kept,
        # A tracker that says whether a run is active takes that one; asking ours for its id would wait for the store.
        parent_run_id=None if getattr(tracker, "active", False) is True else tracker.get_run_id(),
        params=list(result.parameters),
        metrics=list(result.metrics),
        run_name="run_name",
        common_tags={"peak_fast.kind": "configuration"},
    )
