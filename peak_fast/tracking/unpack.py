"""The writer's side of a captured backtest: parameters, metrics, tags, dataset, artifacts."""

from __future__ import annotations

import ast
import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from peak_fast.tracking.capture import FIGURE, REPORTS, VALUES, expand_curve
from peak_fast.tracking.sanitize import (
    MAX_PARAM,
    MAX_RUN_NAME,
    clean_tags,
    clean_text,
    flatten,
    split_metrics,
)
from peak_fast.tracking.updates import RUN_NAME, Artifact, Dataset, RunUpdate

METADATA_JSON = "reports/metadata.json"
# Entries of the metadata that describe the result and not how it was asked for.
_TAGGED = {
    "code_version": "peak_fast.code_version",
    "fill_rule": "fill_rule",
    "hash": "peak_fast.result_hash",
}


@dataclass(slots=True, frozen=True)
class Bars:
    """Times and closes of the bars of one or more results; shape (n_bars,) each."""

    time_us: Any
    close: Any
    time_zone: str | None

    @classmethod
    def decode(cls, head: Any, data: bytes) -> Bars:
        """From the head (without the run id) and the buffers of a BARS record."""
        _, n_bars, zone = head
        values = np.frombuffer(data, dtype=np.int64, count=n_bars)
        return cls(values, np.frombuffer(data, dtype=np.float64, offset=8 * n_bars, count=n_bars), zone)


def backtest_update(
    update: RunUpdate, head: Any, data: bytes, bars: Mapping[str, Bars], number: int, named: bool
) -> None:
    """Add a captured backtest to an update.

    Parameters
    ----------
    head, data
        Head and buffers of a RESULT record.
    number
        How many backtests the run had before.  The first has the plain names; the metrics of later ones get
        the next step, and their files a folder of their own, so that nothing is overwritten.
    named
        Whether the run's name must stay.
    """
    _, now_ms, stats, metadata, key, parts, n_bars, n_points, trades = head
    stats, metadata = dict(stats or {}), dict(metadata or {})
    if parts & VALUES:
        _add_values(update, stats, metadata, now_ms, number)
        if number == 0 and not named:
            update.tags[RUN_NAME] = _run_name(update.run_id, metadata)
    folder = f"backtest_{number + 1}/" if number else ""
    if parts & (FIGURE | REPORTS):
        rendering = Rendering(stats, metadata, bars.get(key or ""), parts, n_bars, n_points, trades, data)
        update.artifacts += rendering.artifacts(folder)
    if parts & VALUES and any(len(value) >= MAX_PARAM for value in update.params.values()):
        text = json.dumps(metadata, default=str, indent=1).encode()
        update.artifacts.append(Artifact(folder + METADATA_JSON, load=partial(bytes, text)))


def _add_values(
    update: RunUpdate, stats: dict[str, Any], metadata: dict[str, Any], now_ms: int, number: int
) -> None:
    for name, value in backtest_params(metadata).items():
        update.params.setdefault(name, value)
    split = split_metrics({name: value for name, value in stats.items() if value is not None})
    for name, number_value in split.numbers.items():
        if number_value == number_value:  # NaN stands for "not finite" here; the tag says which
            update.metrics.append((name, number_value, now_ms, number))
    update.tags.update({**split.tags, **backtest_tags(metadata)})
    dataset = dataset_of(metadata)
    if dataset is not None and dataset not in update.inputs:
        update.inputs.append(dataset)


def backtest_params(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of a backtest: strategy, settings and data, flattened with dots."""
    return flatten({name: value for name, value in metadata.items() if name not in _TAGGED})


def backtest_tags(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a backtest: kind, version, fill rule, hash of the result."""
    tags = {tag: metadata.get(name) for name, tag in _TAGGED.items()}
    return clean_tags({"peak_fast.kind": "backtest", **tags})


def dataset_of(metadata: Mapping[str, Any]) -> Dataset | None:
    """The dataset input of a backtest; None if the metadata does not say what the data were."""
    data = metadata.get("data")
    if not isinstance(data, Mapping) or not data.get("hash"):
        return None
    name = str(data.get("name") or "bars")[:500]
    source = json.dumps({"uri": name}, ensure_ascii=False)
    profile = {
        "num_rows": data.get("bars"),
        "start": str(data.get("start")),
        "end": str(data.get("end")),
        "hash": str(data["hash"]),
    }
    return Dataset(name, str(data["hash"])[:36], "local", source, None, json.dumps(profile))


def _run_name(run_id: str, metadata: Mapping[str, Any]) -> str:
    strategy = metadata.get("strategy")
    name = strategy.get("name") if isinstance(strategy, Mapping) else strategy
    data = metadata.get("data")
    data_name = data.get("name") if isinstance(data, Mapping) else None
    words = [str(word) for word in (name or "backtest", data_name) if word]
    return clean_text(f"{'-'.join(words)}-{run_id[:6]}", MAX_RUN_NAME)


class Rendering:
    """The files of one backtest, made when the first of them is asked for."""

    def __init__(
        self,
        stats: dict[str, Any],
        metadata: dict[str, Any],
        bars: Bars | None,
        parts: int,
        n_bars: int,
        n_points: int,
        trades: Any,
        data: bytes,
    ) -> None:
        self._stats, self._metadata, self._bars = stats, metadata, bars
        self._parts, self._n_bars, self._n_points = parts, n_bars, n_points
        self._trades, self._data = trades, data
        self._lock = threading.Lock()
        self._made: dict[str, Any] | None = None

    def artifacts(self, folder: str) -> list[Artifact]:
        """One artifact per file that was asked for."""
        from peak_fast.report import EQUITY_PNG, REPORT_TXT, TRADES_JSON

        made = []
        if self._parts & FIGURE:
            made.append(Artifact(folder + EQUITY_PNG, load=self._picture))
        if self._parts & REPORTS:
            made.append(Artifact(folder + TRADES_JSON, load=self._summary_json))
            made.append(Artifact(folder + REPORT_TXT, load=self._report))
        return made

    def payload(self) -> dict[str, Any]:
        """What :mod:`peak_fast.report` needs of the backtest."""
        bars = self._bars
        points = np.frombuffer(self._data, dtype=np.float32, count=self._n_points)
        equity = expand_curve(points, self._n_bars) if self._n_points else np.empty(0)
        fits = bars is not None and (len(bars.time_us) == self._n_bars or not self._n_points)
        return {
            "time_us": bars.time_us if bars is not None and fits else None,
            "close": bars.close if bars is not None and fits else None,
            "time_zone": bars.time_zone if bars is not None else None,
            "equity": equity,
            "trades": self.trades(),
            "stats": self._stats,
            "metadata": self._metadata,
        }

    def trades(self) -> Any:
        """The trades as they were captured: records, a frame or columns."""
        if self._trades is None:
            return None
        kind, description, count = self._trades
        data = self._data[4 * self._n_points :]
        if kind == "records":
            return np.frombuffer(data, dtype=np.dtype(ast.literal_eval(description)), count=count)
        if kind == "ipc":
            import polars as pl

            return pl.read_ipc(io.BytesIO(data))
        return description

    def _picture(self) -> bytes:
        from peak_fast.report import render_equity_png

        return render_equity_png(self.payload())

    def _summary(self) -> dict[str, Any]:
        """Trade statistics; two files are made from them."""
        from peak_fast.report import trades_summary

        with self._lock:
            if self._made is None:
                payload = self.payload()
                self._made = trades_summary(payload["trades"], self._stats, time_us=payload["time_us"])
            return self._made

    def _summary_json(self) -> bytes:
        from peak_fast.report import dump_json

        return dump_json(self._summary()).encode()

    def _report(self) -> bytes:
        from peak_fast.report import report_text

        return report_text(self._stats, self._metadata, self._summary()).encode()
