"""The writer's side of a captured backtest: parameters, metrics, tags, dataset, artifacts."""

from __future__ import annotations

import ast
import functools
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import numpy as np

from peak_fast.metrics import HEADLINE, is_fraction
from peak_fast.tracking.sanitize import (
    MAX_PARAM,
    MAX_RUN_NAME,
    clean_key,
    clean_tags,
    clean_text,
    flatten,
    split_metrics,
)
from peak_fast.tracking.spool import FIGURE, REPORTS, SHEET, VALUES, expand_curve
from peak_fast.tracking.updates import RUN_NAME, Artifact, Dataset, RunUpdate

METADATA_JSON = "reports/metadata.json"
NOTE = "mlflow.note.content"
MAX_NOTE = 4_000
# Settings and data among the statistics, and the parameters that hold them.
GIVEN = {
    "bars": "data.bars",
    "initial_cash": "settings.initial_cash",
    "periods_per_year": "periods_per_year",
}
# Entries of the metadata that describe the result and not how it was asked for.
_TAGGED = {
    "code_version": "peak_fast.code_version",
    "fill_rule": "fill_rule",
    "hash": "peak_fast.result_hash",
}


class Bars:
    """Bars of one or more results as the spool holds them: arrays of shape (n_bars,), ``high`` and ``low`` or None.

    ``digest`` is the hash of the data, empty if it is not known.
    """

    def __init__(self, head: Any, data: bytes) -> None:
        """From the head (without the run id) and the buffers of a BARS record."""
        _, n, self.time_zone, n_prices, self.digest, self.n_invalid = head
        self.time_us = np.frombuffer(data, dtype=np.int64, count=n)
        prices = np.frombuffer(data, dtype=np.float64, offset=8 * n, count=n_prices * n).reshape(n_prices, n)
        self.close: Any = prices[0]
        self.high: Any
        self.low: Any
        self.high, self.low = (prices[1], prices[2]) if n_prices == 3 else (None, None)

    def __len__(self) -> int:
        return len(self.close)

    @functools.cached_property
    def mark(self) -> Any:
        """Closes, with the last known one where a bar has none."""
        valid = ~np.isnan(self.close)
        if valid.all():
            return self.close
        return self.close[np.maximum.accumulate(np.where(valid, np.arange(len(valid)), 0))]

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Times of the first and the last bar, UTC."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        start, end = (epoch + timedelta(microseconds=int(self.time_us[i])) for i in (0, -1))
        return start, end


class Source(Protocol):
    """A captured backtest."""

    @property
    def stats(self) -> dict[str, Any]:
        """Its statistics."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""

    @property
    def bars(self) -> Bars | None:
        """Its bars, if the segment has them."""

    def extra(self) -> dict[str, Any]:
        """What the payload of a tear sheet has besides, or in the place of, what other reports get."""

    def trades(self) -> Any:
        """Trades in a form that :mod:`peak_fast.report` takes."""

    def equity(self) -> Any:
        """The equity curve, shape (n_bars,)."""


class Captured:
    """A result of any kind: stats, metadata, curve and trades as they were captured."""

    def __init__(self, bars: Bars | None, head: Any, data: bytes) -> None:
        stats, metadata, self._n_bars, self._n_points, self._trades, *more = head
        self.stats, self.metadata = dict(stats or {}), dict(metadata or {})
        self.bars: Bars | None = bars
        self._data = data[4 * self._n_points :]
        self._points = data[: 4 * self._n_points]
        self.names: dict[str, Any] = {}
        self.holdings: Any = None
        self._timing: dict[str, Any] = {}
        if more:
            self.names, count, description, *timing = more
            self._timing = dict(timing[0]) if timing else {}
            kind = np.dtype(ast.literal_eval(description))
            self.holdings = np.frombuffer(self._data, dtype=kind, count=count)
            self._data = self._data[self.holdings.nbytes :]

    def trades(self) -> Any:
        """The trades as they were captured: records, a frame or columns."""
        if self._trades is None:
            return None
        kind, description, count = self._trades
        if kind == "records":
            records = np.frombuffer(self._data, dtype=np.dtype(ast.literal_eval(description)), count=count)
            return self._named(records) if self.names else records
        if kind == "ipc":
            import polars as pl

            return pl.read_ipc(io.BytesIO(self._data))
        return description

    def extra(self) -> dict[str, Any]:
        """Of a portfolio, its assets, the equity without deposits, and what its times mean; else nothing."""
        if self.holdings is None:
            return {}
        told: dict[str, Any] = {"holdings": self.holdings, "symbols": self.names["symbol"]}
        told["stamp"] = self._timing.get("stamp", "open")
        if not self._timing.get("has_time", True):
            told["time_us"] = None
        count = self._timing.get("n_values", 0)
        if count:
            told["values"] = np.frombuffer(self._data[-8 * count :], dtype=np.float64)
        return told

    def _named(self, records: Any) -> Any:
        from peak_fast.report import named_columns

        return named_columns(records, self.names)

    def equity(self) -> Any:
        """The curve of its float32 points."""
        points = np.frombuffer(self._points, dtype=np.float32)
        return expand_curve(points, self._n_bars) if self._n_points else np.empty(0)


def backtest_update(
    update: RunUpdate, source: Source, parts: int, now_ms: int, number: int, named: bool
) -> None:
    """Add a captured backtest to an update.

    Parameters
    ----------
    parts
        What is wanted of it, see :mod:`peak_fast.tracking.spool.curves`.
    number
        How many backtests the run had before.  The first has the plain names; the metrics of later ones get
        the next step, and their files a folder of their own, so that nothing is overwritten.
    named
        Whether the run's name must stay.
    """
    if parts & VALUES:
        _add_values(update, source.stats, source.metadata, now_ms, number)
        if number == 0 and not named:
            update.tags[RUN_NAME] = _run_name(update.run_id, source.metadata)
    folder = f"backtest_{number + 1}/" if number else ""
    if parts & (FIGURE | REPORTS | SHEET):
        update.artifacts += Rendering(source, parts).artifacts(folder)
    if parts & VALUES and any(len(value) >= MAX_PARAM for value in update.params.values()):
        text = json.dumps(source.metadata, default=str, indent=1).encode()
        update.artifacts.append(Artifact(folder + METADATA_JSON, load=partial(bytes, text)))


def _add_values(
    update: RunUpdate, stats: dict[str, Any], metadata: dict[str, Any], now_ms: int, number: int
) -> None:
    params = backtest_params(metadata)
    for name, value in {**params, **given_params(stats, params)}.items():
        update.params.setdefault(name, value)
    split = split_metrics(figures_of(stats))
    for name, number_value in split.numbers.items():
        if number_value == number_value:  # NaN stands for "not finite" here; the tag says which
            update.metrics.append((name, number_value, now_ms, number))
    update.tags.update({**split.tags, **backtest_tags(metadata)})
    if number == 0:
        update.defaults[NOTE] = note_of(stats, metadata)
    dataset = dataset_of(metadata)
    if dataset is not None and dataset not in update.inputs:
        update.inputs.append(dataset)


def tell_steps(update: RunUpdate, state: Any, begin: int) -> None:
    """Let the tag of a figure that was not finite say its step, once a later step is finite.

    MLflow shows the metric of the last step, and the tag must not contradict it.
    """
    for key, value, _, step in update.metrics[begin:]:
        if value != value:
            tag = clean_key(f"metric.{key}")
            state.not_finite[key] = (step, update.tags.get(tag, "nan"))
        elif key in state.not_finite and step >= state.not_finite[key][0]:
            before, text = state.not_finite.pop(key)
            update.tags[clean_key(f"metric.{key}")] = f"{text} at step {before}"


def figures_of(stats: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes a metric, what one looks for first in front.

    What was given to the backtest (bars, cash, bars a year) is among the parameters, not among what came out: each
    metric is a chart on MLflow's page.
    """
    names = [*(name for name in HEADLINE if name in stats), *(name for name in stats if name not in HEADLINE)]
    return {name: stats[name] for name in names if name not in GIVEN and stats[name] is not None}


def note_of(stats: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Description of a run on MLflow's page: what ran on which data, and the figures that matter, as Markdown."""
    data = metadata.get("data")
    data = data if isinstance(data, Mapping) else {}
    words = [_strategy_name(metadata), data.get("name")]
    title = " on ".join(f"**{word}**" for word in words if word)
    days = [str(data[name])[:10] for name in ("start", "end") if data.get(name)]
    parts = [title, " to ".join(days), f"{data['bars']:,} bars" if isinstance(data.get("bars"), int) else ""]
    rows = [(name, _shown(name, stats[name])) for name in HEADLINE if stats.get(name) is not None]
    lines = ["", "| figure | value |", "| --- | ---: |"]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in rows]
    notes = metadata.get("notes")
    lines += ["", *(f"* {note}" for note in notes)] if isinstance(notes, (list, tuple)) and notes else []
    return clean_text("\n".join([", ".join(filter(None, parts)), *(lines if rows else [])]), MAX_NOTE)


def _shown(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if is_fraction(name):
        return f"{100.0 * value:,.2f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _strategy_name(metadata: Mapping[str, Any]) -> Any:
    strategy = metadata.get("strategy")
    return strategy.get("name") if isinstance(strategy, Mapping) else strategy


def backtest_params(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of a backtest: strategy, settings and data, flattened with dots."""
    from peak_fast.report import with_few_symbols

    shown = with_few_symbols(metadata) if "kind" in metadata else metadata
    return flatten({name: value for name, value in shown.items() if name not in _TAGGED})


def given_params(stats: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, str]:
    """What the statistics repeat of settings and data, where the parameters do not have it."""
    return flatten(
        {name: stats[name] for name, place in GIVEN.items() if name in stats and place not in params}
    )


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
    name = _strategy_name(metadata)
    data = metadata.get("data")
    data_name = data.get("name") if isinstance(data, Mapping) else None
    words = [str(word) for word in (name or "backtest", data_name) if word]
    return clean_text(f"{'-'.join(words)}-{run_id[:6]}", MAX_RUN_NAME)


class Rendering:
    """The files of one backtest, made when they are asked for."""

    def __init__(self, source: Source, parts: int) -> None:
        self._source, self._parts = source, parts

    def artifacts(self, folder: str) -> list[Artifact]:
        """One artifact per file that was asked for."""
        from peak_fast.report import (
            EQUITY_PNG,
            REPORT_TXT,
            TEARSHEET_HTML,
            TRADES_JSON,
            WEIGHTS_PARQUET,
            WEIGHTS_PNG,
        )

        made = []
        if self._parts & FIGURE:
            made.append(Artifact(folder + EQUITY_PNG, load=self._picture))
            if getattr(self._source, "holdings", None) is not None:
                made.append(Artifact(folder + WEIGHTS_PNG, load=self._weights_picture))
        if self._parts & REPORTS:
            made.append(Artifact(folder + TRADES_JSON, load=self._summary_json))
            made.append(Artifact(folder + REPORT_TXT, load=self._report))
            if getattr(self._source, "holdings", None) is not None:
                made.append(Artifact(folder + WEIGHTS_PARQUET, load=self._weights))
        if self._parts & SHEET:
            made.append(Artifact(folder + TEARSHEET_HTML, load=self._sheet))
        return made

    def payload(self) -> dict[str, Any]:
        """What :mod:`peak_fast.report` needs of the backtest."""
        source, bars = self._source, self._source.bars
        equity = source.equity()
        fits = bars is not None and len(bars) == len(equity)
        return {
            "time_us": bars.time_us if bars is not None and fits else None,
            "close": bars.close if bars is not None and fits else None,
            "time_zone": bars.time_zone if bars is not None else None,
            "equity": equity,
            "trades": self._trades,
            "stats": source.stats,
            "metadata": source.metadata,
        }

    def _sheet(self) -> bytes:
        from peak_fast.report import tear_sheet

        payload, bars = self.payload(), self._source.bars
        if payload["close"] is not None and bars is not None and bars.high is not None:
            payload["prices"] = {"close": bars.mark, "low": bars.low, "high": bars.high}
        return tear_sheet({**payload, **self._source.extra()}).encode()

    def _weights(self) -> bytes:
        from peak_fast.report import weights_parquet

        source: Any = self._source
        times, zone = (None, None) if source.bars is None else (source.bars.time_us, source.bars.time_zone)
        return weights_parquet(source.holdings, source.names["symbol"], times, zone)

    def _weights_picture(self) -> bytes:
        from peak_fast.report import render_weights_png

        return render_weights_png({**self.payload(), **self._source.extra()})

    def _picture(self) -> bytes:
        from peak_fast.report import render_equity_png

        return render_equity_png(self.payload())

    @functools.cached_property
    def _trades(self) -> Any:
        return self._source.trades()

    @functools.cached_property
    def _summary(self) -> dict[str, Any]:
        """Trade statistics; two files are made from them."""
        from peak_fast.report import trades_summary

        bars = self._source.bars
        return trades_summary(
            self._trades, self._source.stats, time_us=None if bars is None else bars.time_us
        )

    def _summary_json(self) -> bytes:
        from peak_fast.report import dump_json

        return dump_json(self._summary).encode()

    def _report(self) -> bytes:
        from peak_fast.report import report_text

        return report_text(self._source.stats, self._source.metadata, self._summary).encode()
