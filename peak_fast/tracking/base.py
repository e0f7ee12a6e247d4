"""The tracker protocol: what the engine, the sweep and the study know of tracking.

A tracker records runs.  One run holds parameters (text, set once), metrics (numbers, over steps), tags
(text, may change) and artifacts (files).  Every implementation obeys the same contract, which
``tests/test_tracking_contract.py`` runs over all of them:

* logging without an active run is ignored, raises nothing and opens no run;
* starting a run while one is active ends that one with a warning, unless nobody named or used it (then it
  takes the name) or ``nested=True`` asks for a child;
* each thread has its own active run;
* leaving the context manager ends the run: FINISHED, FAILED after an exception, KILLED after Ctrl-C;
* nothing that is logged raises because of its value.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from peak_fast.tracking.handles import RunHandle

logger = logging.getLogger(__package__)


class TrackingWarning(UserWarning):
    """Something could not be recorded as asked; the work that is recorded goes on."""


@runtime_checkable
class Tracker(Protocol):
    """Records runs.  See the module's docstring for the contract."""

    @property
    def tracking_uri(self) -> str:
        """Where runs are stored; an empty string where nothing is."""

    @property
    def experiment_name(self) -> str:
        """The experiment that groups the runs."""

    def start_run(
        self, run_name: str | None = None, *, nested: bool = False, tags: Mapping[str, Any] | None = None
    ) -> RunHandle:
        """Start a run; one that is active ends first, unless ``nested`` asks for a child of it."""

    def end_run(self, status: str = "FINISHED") -> None:
        """End the innermost active run; nothing happens without one."""

    def get_run_id(self) -> str | None:
        """Id of this thread's innermost active run in the store, or None."""

    def log_params(self, params: Any) -> None:
        """Log parameters; nested mappings are flattened with dots, lists become JSON."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers; what is not a finite number becomes a tag or is dropped with one warning."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; a later value replaces an earlier one."""

    def log_artifact(self, path: str | Path, artifact_path: str | None = None) -> None:
        """Log a file or a folder as it is now; a missing one is a warning."""

    def log_figure(self, figure: Any, artifact_file: str, artifact_path: str | None = None) -> None:
        """Log a Matplotlib or Plotly figure, or finished PNG bytes."""

    def log_text(self, text: str, artifact_file: str) -> None:
        """Log text as a file."""

    def log_dict(self, dictionary: Mapping[str, Any], artifact_file: str) -> None:
        """Log a mapping as a JSON file."""

    def log_table(self, table: Any, artifact_file: str) -> None:
        """Log a data frame as ``.parquet``, ``.json`` or ``.csv``, by the ending of the name."""

    def flush(self, timeout: float | None = None) -> None:
        """Return when everything logged so far is durable in the store.

        Raises
        ------
        TrackingError
            The store did not confirm; the message says what is not durable and where it waits.
        """

    def __enter__(self) -> Tracker: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def has_run(tracker: Any) -> bool:
    """Whether a run is active, without asking a store for its id where the tracker can say so itself."""
    return getattr(tracker, "active", False) is True or bool(tracker.get_run_id())
