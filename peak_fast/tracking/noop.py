"""The tracker that records nothing: the default wherever a tracker is expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peak_fast.guard import guarded_class
from peak_fast.tracking.handles import RunHandle


@guarded_class()
class NoopTracker:
    """Accepts every call of the :class:`~peak_fast.tracking.base.Tracker` protocol and does nothing.

    It opens no file, starts no thread and holds no state, so one instance may be shared by everyone.
    Keyword arguments are accepted and ignored, so that it can stand in for any other tracker.
    """

    __slots__ = ()

    tracking_uri = ""
    experiment_name = ""
    active = False
    # The engine does not even call a tracker that is not enabled.
    enabled = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        pass

    def start_run(
        self, run_name: str | None = None, *, nested: bool = False, tags: Mapping[str, Any] | None = None
    ) -> RunHandle:
        """Start nothing; the handle is an empty string."""
        return _HANDLE

    def end_run(self, status: str = "FINISHED") -> None:
        """Do nothing."""

    def get_run_id(self) -> str | None:
        """Return None: there is never a run."""
        return None

    def log_params(self, params: Any) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_artifact(self, path: str | Path, artifact_path: str | None = None) -> None:
        """Do nothing; the path is not looked at."""

    def log_figure(self, figure: Any, artifact_file: str, artifact_path: str | None = None) -> None:
        """Do nothing; the figure is not rendered."""

    def log_text(self, text: str, artifact_file: str) -> None:
        """Do nothing."""

    def log_dict(self, dictionary: Mapping[str, Any], artifact_file: str) -> None:
        """Do nothing."""

    def log_table(self, table: Any, artifact_file: str) -> None:
        """Do nothing."""

    def log_result(self, result: Any, *, bundle: bool = False) -> None:
        """Do nothing."""

    def log_results(self, results: Any, **options: Any) -> list[str]:
        """Do nothing; no run, no id."""
        return []

    def log_runs(self, frame: Any, **options: Any) -> list[str]:
        """Do nothing; no run, no id."""
        return []

    def flush(self, timeout: float | None = None) -> None:
        """Do nothing: nothing is ever waiting."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> NoopTracker:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __repr__(self) -> str:
        return "NoopTracker()"


_HANDLE = RunHandle("")
