"""What lies beside a configuration: other parameters, costs, beginnings, fills and phases, each run and measured."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_number, is_whole
from peak_fast.data import is_panel
from peak_fast.engine import BacktestEngine
from peak_fast.errors import PeakFastError
from peak_fast.params import feasible_mask
from peak_fast.settings import OrderBook
from peak_fast.validation.choice import Choice
from peak_fast.validation.jobs import Job, real_metrics
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    import polars as pl

_FACTORS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
_PAIR_FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5)
_MOST_PHASES = 366


class Neighbours:
    """Runs beside a job of one configuration; ``means`` are threads, and a crew where several run at a time.

    Attributes
    ----------
    real
        The objective as chosen.
    notes
        What was passed over, a sentence each.
    """

    def __init__(
        self, job: Job, choice: Choice, means: tuple[int | None, Any], around: Mapping[str, list[Any]]
    ) -> None:
        self._job, self._choice, self._means, self._around = job, choice, means, around
        self._chosen = job.params(0)
        self.notes: list[str] = []
        self.real = float(self._measured(job, [choice.objective])[0, 0])

    def _measured(self, job: Job, metrics: Sequence[str]) -> FloatArray:
        return real_metrics(job, list(dict.fromkeys(metrics)), *self._means)

    def nothing(self, part: str) -> pl.DataFrame:
        """A part without rows."""
        return self._frame(_COLUMNS[part], [])

    def _frame(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
        import polars as pl

        texts = ("value", "x_value", "y_value", "fill", "parameter", "x", "y")
        kinds: dict[str, Any] = dict.fromkeys(texts, pl.String) | dict.fromkeys(("start", "phase"), pl.Int64)
        schema = {name: kinds.get(name, pl.Float64) for name in names} | {self._choice.objective: pl.Float64}
        if "added_bps" in names:
            schema |= {"total_return": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    # Parameters

    def values(self, name: str, factors: Sequence[float] = _FACTORS) -> list[Any]:
        """Values around the chosen one, which is among them."""
        chosen = self._chosen[name]
        if name in self._around:
            return list(dict.fromkeys([*self._around[name], chosen]))
        item = next((item for item in self._job.strategy.schema if item.name == name), None)
        if item is not None and item.choices:
            return list(item.choices)
        if isinstance(chosen, bool):
            return [False, True]
        if not is_number(chosen) or chosen == 0:
            return [chosen]
        found = [chosen * factor for factor in factors]
        if is_whole(chosen):
            found = [*map(round, found), chosen - 1, chosen + 1]
        return sorted({value for value in found if item is None or _allowed(item, value)} | {chosen})

    def parameters(self) -> pl.DataFrame:
        """One parameter at a time."""
        sets = [{name: value} for name in self._chosen for value in self.values(name)]
        sets = [one for one in sets if len(self.values(next(iter(one)))) > 1]
        figures = self._changed(sets)
        rows = [(*_named(one), figure) for one, figure in zip(sets, figures, strict=True)]
        return self._frame(_COLUMNS["parameters"], rows)

    def pairs(self) -> pl.DataFrame:
        """Two parameters at a time."""
        several = {name: self.values(name, _PAIR_FACTORS) for name in self._chosen}
        several = {name: values for name, values in several.items() if len(values) > 1}
        sets = [
            {x: a, y: b}
            for x, y in itertools.combinations(several, 2)
            for a in several[x]
            for b in several[y]
        ]
        figures = self._changed(sets)
        rows = [
            (*one, *(str(value) for value in one.values()), figure)
            for one, figure in zip(sets, figures, strict=True)
        ]
        return self._frame(_COLUMNS["pairs"], rows)

    def _changed(self, sets: Sequence[Mapping[str, Any]]) -> list[float]:
        """The objective with some parameters changed; NaN where they do not meet the strategy's constraints."""
        if not sets:
            return []
        columns = {
            name: _column([one.get(name, chosen) for one in sets]) for name, chosen in self._chosen.items()
        }
        strategy = self._job.strategy
        own = {item.name: columns[item.name] for item in strategy.schema if item.name in columns}
        met = np.ones(len(sets), bool)
        if own and strategy.constraints:
            met = feasible_mask(strategy.schema, strategy.constraints, own)
            if not met.all():
                self.notes.append("values that the strategy's constraints refuse have no figure")
        figures = np.full(len(sets), np.nan)
        if met.any():
            part = {name: column[met] for name, column in columns.items()}
            job = dataclasses.replace(self._job, columns=part, count=int(met.sum()))
            figures[met] = self._measured(job, [self._choice.objective])[:, 0]
        found: list[float] = figures.tolist()
        return found

    # Costs

    def costs(self, added: Sequence[float]) -> pl.DataFrame:
        """More slippage."""
        engine = self._job.engine
        costs = getattr(engine.portfolio, "costs", None) or engine.costs
        base = self._chosen.get("slippage_bps", costs.slippage_bps)
        columns = {name: np.repeat(column, len(added)) for name, column in self._job.columns.items()}
        columns["slippage_bps"] = np.array([base + more for more in added])
        job = dataclasses.replace(self._job, columns=columns, count=len(added))
        metrics = [self._choice.objective, "total_return"]
        figures = self._measured(job, metrics)
        rows = [(more, row[0], row[-1]) for more, row in zip(added, figures.tolist(), strict=True)]
        width = 2 if self._choice.objective == "total_return" else 3
        return self._frame(_COLUMNS["costs"], [row[:width] for row in rows])

    # Beginnings and fills

    def starts(self, most: int) -> pl.DataFrame:
        """Bars left out at the beginning."""
        rows = []
        if most > len(self._job.data) - 2:
            self.notes.append(
                f"starts: two of {len(self._job.data)} bars have to be left, so fewer are left out"
            )
        for start in range(min(most, max(len(self._job.data) - 2, 0)) + 1):
            job = dataclasses.replace(self._job, data=self._job.data.slice(start))
            rows.append((start, self._figure(job, f"start {start}")))
        return self._frame(_COLUMNS["starts"], rows)

    def _figure(self, job: Job, what: str) -> float:
        """The objective of a job; NaN, and a note, where it cannot be run."""
        try:
            return float(self._measured(job, [self._choice.objective])[0, 0])
        except PeakFastError as error:
            self.notes.append(f"{what} is passed over: {error}")
            return float("nan")

    def delays(self, most: int) -> pl.DataFrame:
        """Fills at the same close, at the next open and later."""
        rows = []
        engine = self._job.engine
        for name, fill_at in (("same close", "close"), ("next open", "next_open")):
            changed = _with(engine, execution=engine.execution.model_copy(update={"fill_at": fill_at}))
            rows.append((name, self._figure(dataclasses.replace(self._job, engine=changed), name)))
        if is_panel(self._job.data):
            if most:
                self.notes.append("delays of more than a bar are passed over: portfolios have no order book")
            return self._frame(_COLUMNS["delays"], rows)
        if most and engine.financing is not None:
            self.notes.append("delays of more than a bar are passed over: the order book has no financing")
            most = 0
        for bars in range(1, most + 1):
            name = f"{bars} bar{'s'[: bars > 1]} later"
            rows.append(
                (name, self._figure(dataclasses.replace(self._job, engine=_later(engine, bars)), name))
            )
        return self._frame(_COLUMNS["delays"], rows)

    # Portfolios

    def phases(self) -> pl.DataFrame:
        """All phases of a rebalancing cycle: decisions so many bars later."""
        rule, panel = self._job.strategy, self._job.data
        calendar = getattr(rule, "rebalance", None)
        if not is_panel(panel):
            return self.nothing("phases")
        if calendar is None:
            self.notes.append(f"phases are passed over: {rule.name!r} has no calendar of its own")
            return self.nothing("phases")
        bars = calendar.rows(panel, self._chosen, [])
        cycle = min(int(np.median(np.diff(bars))) if len(bars) > 1 else 1, _MOST_PHASES)
        rows = []
        for phase in range(cycle):
            late = bars + phase
            moved = _moved(rule, _at_bars(calendar, panel, late[late < len(panel)]))
            columns = {
                name: column for name, column in self._job.columns.items() if name in _names(moved, self._job)
            }
            job = dataclasses.replace(self._job, strategy=moved, columns=columns)
            rows.append((phase, self._figure(job, f"phase {phase}")))
        return self._frame(_COLUMNS["phases"], rows)


_COLUMNS = {
    "parameters": ("parameter", "value"),
    "pairs": ("x", "y", "x_value", "y_value"),
    "costs": ("added_bps",),
    "starts": ("start",),
    "delays": ("fill",),
    "phases": ("phase",),
}


def _column(values: list[Any]) -> Any:
    """Values of a parameter; texts and numbers side by side stay what they are."""
    plain = all(isinstance(value, bool) or is_number(value) for value in values)
    return np.array(values, dtype=None if plain else object)


def _allowed(item: Any, value: Any) -> bool:
    """Whether a parameter may be given a value."""
    try:
        item.validate_value(value)
    except PeakFastError:
        return False
    return True


def _named(one: Mapping[str, Any]) -> tuple[str, str]:
    ((name, value),) = one.items()
    return name, str(value)


def _with(engine: BacktestEngine, **changes: Any) -> BacktestEngine:
    """An engine with other settings."""
    other = BacktestEngine()
    other.settings = dataclasses.replace(engine.settings, **changes)
    return other


def _later(engine: BacktestEngine, bars: int) -> BacktestEngine:
    """An engine whose orders arrive so many bars later, through the order book."""
    book = engine.order_book or OrderBook()
    rules = dataclasses.replace(book.rules, latency=book.rules.latency + bars)
    return _with(engine, order_book=dataclasses.replace(book, rules=rules))


def _names(rule: Any, job: Job) -> set[str]:
    """Columns that still mean something: those of the rule, and varied settings."""
    old = {item.name for item in job.strategy.schema}
    return {item.name for item in rule.schema} | {name for name in job.columns if name not in old}


def _moved(rule: Any, calendar: Any) -> Any:
    """A rule that decides at other bars; its parameters are found anew, as the calendar may have had one."""
    return dataclasses.replace(rule, rebalance=calendar, schema=(), constraints=())


def _at_bars(calendar: Any, panel: Any, bars: Any) -> Any:
    """A calendar of the same habits that decides at given bars."""
    if not panel.has_time:
        step = int(bars[1] - bars[0]) if len(bars) > 1 else len(panel)
        return dataclasses.replace(calendar, when=step, start=int(bars[0]))
    return dataclasses.replace(calendar, when=panel.time_us[bars].view("M8[us]"), start=0)
