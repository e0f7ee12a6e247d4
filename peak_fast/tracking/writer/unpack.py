"""The writer's side of a captured backtest: parameters, metrics, tags, dataset, artifacts."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from peak_fast import report
from peak_fast.metrics import HEADLINE, is_fraction
from peak_fast.tracking import sanitize
from peak_fast.tracking.spool import Part
from peak_fast.tracking.updates import RUN_NAME, Artifact, Dataset, RunUpdate
from peak_fast.tracking.writer.thawed import Source

METADATA_JSON = "reports/metadata.json"
NOTE = "mlflow.note.content"
MAX_NOTE = 4_000
# Settings and data among the statistics, and the parameters that hold them.
GIVEN = {"bars": "data.bars", "initial_cash": "settings.initial_cash", "periods_per_year": "periods_per_year"}
# Entries of the metadata that describe the result and not how it was asked for.
_TAGGED = {
    "code_version": "peak_fast.code_version",
    "fill_rule": "fill_rule",
    "hash": "peak_fast.result_hash",
}


def backtest_update(
    update: RunUpdate, source: Source, parts: int, now_ms: int, number: int, named: bool
) -> None:
    """Add the wanted parts of a captured backtest to an update; a run that was ``named`` keeps its name.

    ``number``: how many backtests the run had before.  The first has the plain names; the metrics of later ones get
    the next step, and their files a folder of their own, so that nothing is overwritten.
    """
    if parts & Part.VALUES:
        _add_values(update, source.stats, source.metadata, now_ms, number)
        if number == 0 and not named:
            update.tags[RUN_NAME] = _run_name(update.run_id, source.metadata)
    folder = f"backtest_{number + 1}/" if number else ""
    if parts & (Part.FIGURE | Part.REPORTS | Part.SHEET):
        update.artifacts += Rendering(source).artifacts(folder, parts)
    if parts & Part.VALUES and any(len(value) >= sanitize.MAX_PARAM for value in update.params.values()):
        text = json.dumps(source.metadata, default=str, indent=1).encode()
        update.artifacts.append(Artifact(folder + METADATA_JSON, load=partial(bytes, text)))


def _add_values(
    update: RunUpdate, stats: dict[str, Any], metadata: dict[str, Any], now_ms: int, number: int
) -> None:
    params, numbers, tags = values_of(stats, metadata)
    update.params.update({name: text for name, text in params.items() if name not in update.params})
    update.metrics += [(name, value, now_ms, number) for name, value in numbers.items()]
    update.tags.update(tags)
    if number == 0:
        update.defaults[NOTE] = note_of(stats, metadata)
    dataset = dataset_of(metadata)
    if dataset is not None and dataset not in update.inputs:
        update.inputs.append(dataset)


def values_of(
    stats: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, float], dict[str, str]]:
    """Parameters, finite figures and tags of a backtest; what one looks for first is in front.

    What was given to the backtest (bars, cash, bars a year) is among the parameters, not among what came out: each
    metric is a chart on MLflow's page.
    """
    shown = report.with_few_symbols(metadata) if "kind" in metadata else metadata
    params = sanitize.flatten({name: value for name, value in shown.items() if name not in _TAGGED})
    given = {name: stats[name] for name, place in GIVEN.items() if name in stats and place not in params}
    names = [name for name in dict.fromkeys((*HEADLINE, *stats)) if name not in GIVEN]
    split = sanitize.split_metrics({name: stats[name] for name in names if stats.get(name) is not None})
    numbers = {
        name: value for name, value in split.numbers.items() if value == value
    }  # the tag says which not
    told = {tag: metadata.get(name) for name, tag in _TAGGED.items()}
    tags = sanitize.clean_tags({"peak_fast.kind": "backtest", **told})
    return {**params, **sanitize.flatten(given)}, numbers, {**split.tags, **tags}


def tell_steps(update: RunUpdate, state: Any, begin: int) -> None:
    """Let the tag of a figure that was not finite say its step, once a later step is finite.

    MLflow shows the metric of the last step, and the tag must not contradict it.
    """
    for key, value, _, step in update.metrics[begin:]:
        if value != value:
            tag = sanitize.clean_key(f"metric.{key}")
            state.not_finite[key] = (step, update.tags.get(tag, "nan"))
        elif key in state.not_finite and step >= state.not_finite[key][0]:
            before, text = state.not_finite.pop(key)
            update.tags[sanitize.clean_key(f"metric.{key}")] = f"{text} at step {before}"


def note_of(stats: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Description of a run on MLflow's page: what ran on which data, and the figures that matter, as Markdown."""
    data = _data(metadata)
    words = [_strategy_name(metadata), data.get("name")]
    title = " on ".join(f"**{word}**" for word in words if word)
    days = [str(data[name])[:10] for name in ("start", "end") if data.get(name)]
    parts = [title, " to ".join(days), f"{data['bars']:,} bars" if isinstance(data.get("bars"), int) else ""]
    rows = [(name, _shown(name, stats[name])) for name in HEADLINE if stats.get(name) is not None]
    lines = ["", "| figure | value |", "| --- | ---: |"]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in rows]
    notes = metadata.get("notes")
    lines += ["", *(f"* {note}" for note in notes)] if isinstance(notes, (list, tuple)) and notes else []
    return sanitize.clean_text(
        "\n".join([", ".join(filter(None, parts)), *(lines if rows else [])]), MAX_NOTE
    )


def _shown(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if is_fraction(name):
        return f"{100.0 * value:,.2f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _strategy_name(metadata: Mapping[str, Any]) -> Any:
    strategy = metadata.get("strategy")
    return strategy.get("name") if isinstance(strategy, Mapping) else strategy


def _data(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    data = metadata.get("data")
    return data if isinstance(data, Mapping) else {}


def dataset_of(metadata: Mapping[str, Any]) -> Dataset | None:
    """The dataset input of a backtest; None if the metadata does not say what the data were."""
    data = _data(metadata)
    if not data.get("hash"):
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
    words = (_strategy_name(metadata) or "backtest", _data(metadata).get("name"), run_id[:6])
    return sanitize.clean_text("-".join(str(word) for word in words if word), sanitize.MAX_NAME)


class Rendering:
    """The files of one backtest, made when they are asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def artifacts(self, folder: str, parts: int) -> list[Artifact]:
        """One artifact per file that was asked for."""
        held = self._source.holdings is not None
        files = (
            (Part.FIGURE, report.EQUITY_PNG, lambda: report.render_equity_png(self._payload())),
            (
                Part.FIGURE * held,
                report.WEIGHTS_PNG,
                lambda: report.render_weights_png(self._whole_payload()),
            ),
            (Part.REPORTS, report.TRADES_JSON, lambda: report.dump_json(self._summary).encode()),
            (Part.REPORTS, report.REPORT_TXT, self._text),
            (Part.REPORTS * held, report.WEIGHTS_PARQUET, self._weights),
            (Part.SHEET, report.TEARSHEET_HTML, self._sheet),
        )
        return [Artifact(folder + name, load=make) for part, name, make in files if parts & part]

    def _payload(self) -> dict[str, Any]:
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

    def _whole_payload(self) -> dict[str, Any]:
        return {**self._payload(), **self._source.extra()}

    def _sheet(self) -> bytes:
        payload, bars = self._whole_payload(), self._source.bars
        if payload["close"] is not None and bars is not None and bars.high is not None:
            payload["prices"] = {"close": bars.mark, "low": bars.low, "high": bars.high}
        # Of bars that had no times, trades have none either.
        payload["trades"] = self._source.trades()
        return report.tear_sheet(payload).encode()

    def _weights(self) -> bytes:
        bars, told = self._source.bars, self._source.extra()
        times, zone = (None, None) if bars is None else (bars.time_us, bars.time_zone)
        return report.weights_parquet(told["holdings"], told["symbols"], times, zone)

    def _text(self) -> bytes:
        return report.report_text(self._source.stats, self._source.metadata, self._summary).encode()

    @functools.cached_property
    def _trades(self) -> Any:
        """Columns of the trades; three files are made from them."""
        bars = self._source.bars
        return report.trade_columns(self._source.trades(), None if bars is None else bars.time_us)

    @functools.cached_property
    def _summary(self) -> dict[str, Any]:
        """Trade statistics; two files are made from them."""
        return report.trades_summary(self._trades, self._source.stats)
