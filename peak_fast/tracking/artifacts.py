"""Files of one backtest: logged to a tracker, written to a folder, or both."""

from __future__ import annotations

import tempfile
import uuid
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from peak_fast.arguments import place, tracker_or_none
from peak_fast.guard import guarded
from peak_fast.report import payload_of, render_artifacts
from peak_fast.tracking.base import Tracker, has_run, logger
from peak_fast.tracking.noop import NoopTracker


@guarded
def log_backtest_artifacts(
    tracker: Tracker, result: Any, output_dir: str | Path | None = None
) -> dict[str, Path]:
    """Log ``plots/equity_curve.png``, ``reports/trades_summary.json`` and ``reports/backtest_report.txt``.

    Of a portfolio also ``plots/weights.png`` and ``reports/weights.parquet``: what was held behind the trades of each
    bar.  For a tracker with ``artifacts="report"`` also ``reports/tearsheet.html``.

    A background tracker takes the arrays and renders in its writer process, which costs the caller
    microseconds; any other tracker gets the finished files. Without an active run nothing is logged and, as
    with every call of a tracker, nothing is raised.

    Parameters
    ----------
    tracker
        Any :class:`~peak_fast.tracking.base.Tracker`.
    result
        A ``BacktestResult``, a ``PortfolioResult``, or a payload (see :mod:`peak_fast.report.payload`).
    output_dir
        Also write the files below this folder, run or no run. Each is written under a temporary name
        and then renamed, so a reader never sees half a file.

    Returns
    -------
    dict of str to Path
        The files written below ``output_dir``, by artifact path; empty without ``output_dir``.

    Raises
    ------
    ConfigError
        ``result`` is neither a result nor a payload.
    OSError
        ``output_dir`` cannot be written.

    Example
    -------
    >>> from peak_fast.tracking import MLflowTracker, log_backtest_artifacts   # doctest: +SKIP
    >>> with MLflowTracker("sqlite:///mlflow.db") as tracker, tracker.start_run("first"):   # doctest: +SKIP
    ...     log_backtest_artifacts(tracker, result, output_dir="out")
    """
    tracker = tracker_or_none(tracker) or NoopTracker()
    render = partial(render_artifacts, sheet=getattr(tracker, "artifacts", "") == "report")
    files = None if output_dir is None else render(result)
    written = {} if files is None else write_files(files, place("output_dir", output_dir, "artifacts"))
    if not has_run(tracker):
        logger.debug("no active run: backtest artifacts are not logged")
        return written
    in_writer = getattr(tracker, "spool_backtest_artifacts", None)
    if files is None and in_writer is not None:
        # A portfolio travels as its arrays; anything else as the payload that was checked here.
        whole = hasattr(result, "recorded")
        if in_writer(result if whole else payload_of(result)):
            return written
    _log_files(tracker, render(result) if files is None else files)
    return written


def _log_files(tracker: Tracker, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.suffix == ".png":
            tracker.log_figure(content, path.name, str(path.parent))
        elif path.suffix == ".parquet":
            with tempfile.TemporaryDirectory(prefix="peak-fast-") as folder:  # the protocol takes no bytes
                file = Path(folder) / path.name
                file.write_bytes(content)
                tracker.log_artifact(file, str(path.parent))
        else:
            tracker.log_text(content.decode(), name)


def write_files(files: dict[str, bytes], folder: Path) -> dict[str, Path]:
    """Write each content below ``folder`` under its relative path, replacing what is there; where each file is."""
    written = {}
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
        try:
            with temporary.open("xb") as stream:
                stream.write(content)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        written[name] = target
    return written
