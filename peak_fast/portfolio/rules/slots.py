"""A strategy of one asset on every asset of a panel, with a share of the purse for each signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.arguments import is_whole, wrong
from peak_fast.data import numbers_of
from peak_fast.errors import StrategyError
from peak_fast.guard import guarded_class
from peak_fast.params import Param
from peak_fast.portfolio.targets import TargetWeights
from peak_fast.settings import EngineSettings, Execution, FractionOfEquity
from peak_fast.simulation import decisions_of, run_single
from peak_fast.strategies import complete_params, resolve
from peak_kernels import slots as t
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.data import Bars, Panel

# The account of one asset only tells on which side its strategy is: a small stake cannot be ruined.
_ASKING = EngineSettings(execution=Execution(fill_at="close"), sizing=FractionOfEquity(fraction=1e-3))


_MOST_SLOTS = 1_000_000


@guarded_class()
@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """A strategy of one asset, asked on every asset; each signal gets one of a number of equal shares of the equity.

    A signal takes a slot when it begins, or as soon as one is free while it lasts, and keeps it to its end; between
    the two its share drifts.  Where there are more signals than slots, those of the highest priority are served.

    Parameters
    ----------
    strategy
        Name, strategy object, compiled block or signal function that gives sides (1, 0, -1).
    slots
        Number of shares; None: one for each asset.
    priority
        float64[asset, bar], or a function of the panel that returns it: the higher, the sooner; NaN comes last, and
        between equals the alphabet decides.  None: the alphabet.
    """

    strategy: Any
    slots: int | None = None
    priority: Any = None
    name: str = ""
    schema: tuple[Param, ...] = ()
    constraints: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.slots is not None and not (is_whole(self.slots) and 0 < self.slots <= _MOST_SLOTS):
            raise wrong(
                "Slots.slots",
                f"a whole number above 0, at most {_MOST_SLOTS:,}",
                self.slots,
                "None: one an asset",
                StrategyError,
            )
        item = resolve(self.strategy)
        if getattr(item, "weights", False) or getattr(item, "returns", "") == "weights":
            raise wrong(
                "Slots.strategy",
                "a strategy that gives sides",
                item.name,
                "hand weights to the run",
                StrategyError,
            )
        put = object.__setattr__
        put(self, "strategy", item)
        put(self, "name", self.name or item.name)
        put(self, "schema", tuple(getattr(item, "schema", ())))
        put(self, "constraints", tuple(getattr(item, "constraints", ())))

    def weights(self, panel: Panel, params: Mapping[str, Any]) -> TargetWeights:
        """Weights at the bars on which a signal takes a slot or leaves one; all others are left alone.

        Raises
        ------
        StrategyError, DataError
            The strategy cannot be asked, or the priority does not fit the panel.
        """
        notes: list[str] = []
        values = complete_params(self.strategy, params)
        sides = np.array([self._sides(panel, symbol, values, notes) for symbol in panel.symbols])
        if panel.members is not None:
            sides[~panel.members] = 0
        slots = self.slots or panel.n_assets
        rows, weights, missed = allotted(sides, _priority(self.priority, panel), panel, slots)
        if missed:
            notes.append(f"{self.name}: {missed} signals ended before one of the {slots} slots was free")
        return TargetWeights(
            rows, weights, tuple(dict.fromkeys(notes)), {"rule": "slots", "slots": slots}, most=1.0
        )

    def _sides(self, panel: Panel, symbol: str, values: dict[str, Any], notes: list[str]) -> Any:
        """Side that the strategy wants at each bar of the panel, int8[bar]; the last one over gaps, 0 after the end."""
        sides = np.zeros(len(panel), dtype=np.int8)
        there = np.flatnonzero(~np.isnan(panel.close[panel.index(symbol)]))
        if not there.size:
            return sides
        wanted = sides_of(panel[symbol], self.strategy, values, notes)
        last = np.searchsorted(there, np.arange(len(panel)), side="right") - 1
        known = (last >= 0) & (np.arange(len(panel)) <= there[-1])
        sides[known] = wanted[last[known]]
        return sides

    def fingerprint(self) -> str:
        """Hash of the strategy and what else decides."""
        priority = None if self.priority is None else getattr(self.priority, "__name__", "array")
        return f"{self.strategy.fingerprint()}-slots-{self.slots}-{priority}"


def sides_of(bars: Bars, item: Any, values: dict[str, Any], notes: list[str]) -> FloatArray:
    """Side that a strategy wants behind each close: float64[bar], 1, 0 or -1."""
    flat = _ASKING.vector(bars)
    outcome = run_single(bars, decisions_of(bars, item, values, flat, notes), flat)
    sides: FloatArray = np.sign(outcome.curve[t.CURVE_POSITION])
    return sides


def _priority(given: Any, panel: Panel) -> FloatArray | None:
    """Priority of each asset at each bar; None: the alphabet alone."""
    if given is None:
        return None
    what = given(panel) if callable(given) else given
    if isinstance(what, list | tuple):  # as objects, so that truth values and texts among numbers are seen
        what = np.array(what, dtype=object)
    found, boolean = numbers_of(what, "Slots.priority", StrategyError)
    if boolean:
        raise wrong("Slots.priority", "numbers", what, "write 1.0 and 0.0", StrategyError)
    if found.shape != panel.close.shape:
        raise wrong(
            "Slots.priority",
            f"shape {panel.close.shape}, assets by bars",
            found.shape,
            "a number a close",
            StrategyError,
        )
    return np.where(np.isnan(found), -np.inf, found)


def allotted(
    sides: Any, priority: FloatArray | None, panel: Panel, slots: int
) -> tuple[Any, FloatArray, int]:
    """Bars on which slots change hands, their weights, and how many signals never got one."""
    alphabet = sorted(range(panel.n_assets), key=panel.symbols.__getitem__)
    changes = np.flatnonzero((np.diff(sides, axis=1, prepend=0) != 0).any(axis=0))
    held: dict[int, int] = {}
    waiting: set[int] = set()
    rows, weights, missed = [], [], 0
    for bar in changes.tolist():
        now, row = sides[:, bar], np.full(panel.n_assets, np.nan)
        for asset in [asset for asset, side in held.items() if now[asset] != side]:
            row[asset] = now[asset] / slots
            held[asset] = int(now[asset])
            if held[asset] == 0:
                del held[asset]
        missed += sum(now[asset] == 0 for asset in waiting)
        asking = [asset for asset in alphabet if now[asset] != 0 and asset not in held]
        if priority is not None:
            asking.sort(key=lambda asset: -priority[asset, bar])
        for asset in asking[: slots - len(held)]:
            held[asset] = int(now[asset])
            row[asset] = now[asset] / slots
        waiting = {asset for asset in asking if asset not in held}
        if not np.isnan(row).all():
            rows.append(bar)
            weights.append(row)
    table = np.array(weights) if rows else np.empty((0, panel.n_assets))
    return np.array(rows, dtype=np.int64), table, missed
