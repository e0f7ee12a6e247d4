"""What is known of the assets of a panel besides prices: who belongs to the universe when, groups, contracts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from peak_fast.data.alignment import is_frame
from peak_fast.data.arrays import read_only
from peak_fast.data.checks import MISSING_TIME
from peak_fast.data.columns import numbers_of
from peak_fast.data.frames import collect, table_of
from peak_fast.data.matching import check_zone, shown_time, sorted_times
from peak_fast.data.names import SYMBOL_NAMES, Names
from peak_fast.data.options import DEFAULTS
from peak_fast.data.panel_prices import PanelPrices
from peak_fast.data.panel_rows import numbered
from peak_fast.data.time_columns import find_times
from peak_fast.data.time_values import read_time
from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_fast.guard import guarded_class
from peak_kernels.arrays import IntArray

P = TypeVar("P", bound="Told")

_FROM = (
    "from",
    "start",
    "begin",
    "datefrom",
    "fromdate",
    "startdate",
    "added",
    "dateadded",
    "entry",
    "first",
)
_TO = ("to", "end", "dateto", "todate", "enddate", "ending", "thru", "through", "last")
_UNTIL = ("removed", "dateremoved", "until", "exit")
_GROUPS = ("group", "groups", "sector", "industry", "gicssector", "class", "category", "country", "cluster")


@guarded_class()
class Told(PanelPrices):
    """A panel that is told about its assets; every method gives another panel over the same prices."""

    __slots__ = ()

    def with_universe(self: P, universe: Any) -> P:
        """The panel with the members of a universe: rules rank and hold members only.

        Parameters
        ----------
        universe
            One of: a frame of truth values with a column of times (or an index of them) and one for each asset, each
            row holding from its time to the next one; a table with a column of symbols, one of the first day as a
            member (``from``) and one of the last (``to``, missing while it is one; a column ``removed`` holds the
            first day after); bool[asset, bar].

        Raises
        ------
        DataError
            It cannot be read, or holds none of the assets.
        """
        notes: list[str] = []
        members = members_of(universe, self, notes)
        return self._with(members=read_only(members), _notes=(*self._notes, *notes))

    def with_groups(self: P, groups: Any) -> P:
        """The panel with a group for each asset, such as its sector.

        Parameters
        ----------
        groups
            A mapping of symbols to names, or a frame with a column of symbols and one of groups.

        Raises
        ------
        DataError
            It cannot be read, or names none of the assets.
        """
        notes: list[str] = []
        numbers, names = groups_of(groups, self.symbols, notes)
        made = self._with(groups=read_only(numbers), group_names=names)
        return made._with(_notes=(*made._notes, *notes))

    def with_assets(self: P, assets: Mapping[str, Any]) -> P:
        """The panel with what is known of single assets: ``{"ES": Asset(multiplier=50)}``.

        Raises
        ------
        DataError
            A symbol that the panel does not have.
        """
        if not isinstance(assets, Mapping):
            raise ConfigError(f"assets: expected a mapping of symbols to Asset; got {assets!r}")
        for symbol in assets:
            if str(symbol) not in self.symbols:
                raise DataError(
                    f"assets: {str(symbol)!r} is not in the panel; {did_you_mean(str(symbol), self.symbols)}"
                )
        return self._with(assets={str(symbol): item for symbol, item in assets.items()})

    def told(
        self: P, *, universe: Any = None, groups: Any = None, assets: Mapping[str, Any] | None = None
    ) -> P:
        """This panel with universe, groups and assets, of those that are given."""
        made = self if universe is None else self.with_universe(universe)
        made = made if groups is None else made.with_groups(groups)
        return made if assets is None else made.with_assets(assets)

    def _with(self: P, **changed: Any) -> P:
        other = copy.copy(self)
        for slot, value in {**changed, "memo": {}, "_hash": None}.items():
            object.__setattr__(other, slot, value)
        return other


def _named_groups(groups: Any) -> dict[Any, Any]:
    """Name of the group (None: none) by symbol."""
    if isinstance(groups, Mapping):
        return {str(symbol): None if group is None else str(group) for symbol, group in groups.items()}
    if not is_frame(groups):
        raise ConfigError(
            f"groups: expected a mapping of symbols to names, or a frame; got {type(groups).__name__}"
        )
    table = table_of(collect(groups)[0])
    names = Names(table.names, {})
    who = _one_of(names, SYMBOL_NAMES, "groups", "symbols")
    which = _one_of(names, _GROUPS, "groups", "groups")
    return dict(zip(_texts(table.get(who)), _texts(table.get(which)), strict=True))


def groups_of(groups: Any, symbols: tuple[str, ...], notes: list[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Number of each asset's group (-1: none), and the names of the groups."""
    found = _named_groups(groups)
    known = [found.get(symbol) for symbol in symbols]
    if not any(known):
        raise DataError(
            f"groups: none of the assets is in them; they name {list(found)[:4]}, the panel {symbols[:4]}"
        )
    without = [symbol for symbol, group in zip(symbols, known, strict=True) if not group]
    if without:
        notes.append(
            f"groups: {len(without)} assets have none ({', '.join(without[:3])}{', ...' * (len(without) > 3)})"
        )
    listed = tuple(sorted({group for group in known if group}))
    number = {group: at for at, group in enumerate(listed)}
    return np.array([number.get(group or "", -1) for group in known], dtype=np.int64), listed


def members_of(universe: Any, panel: PanelPrices, notes: list[str]) -> NDArray[np.bool_]:
    """bool[asset, bar]: who is a member when."""
    if isinstance(universe, np.ndarray) and universe.ndim == 2:
        shape = panel.close.shape
        if universe.dtype != bool or universe.shape != shape:
            raise DataError(
                f"universe: expected truth values of shape {shape}, assets by bars; got {universe.dtype} "
                f"{universe.shape}"
            )
        return np.ascontiguousarray(universe)
    frame = collect(universe)[0]
    table = table_of(frame)
    names = Names(table.names, {})
    if names.of(SYMBOL_NAMES) and names.of(_FROM):
        return _by_spells(table, names, panel, notes)
    return _by_rows(table, names, panel, notes)


def _by_rows(table: Any, names: Names, panel: PanelPrices, notes: list[str]) -> NDArray[np.bool_]:
    """A frame with a row for each time and a column for each asset."""
    times = find_times(table, names, DEFAULTS)
    if times.time_us is None:
        raise DataError("universe: expected a column of times, or an index of them; none was found")
    check_zone(times.zone, panel.time_zone, "universe")
    order, ordered = sorted_times(times.time_us, "universe", DataError)
    columns = {name: at for name in names.unused() if (at := panel._index.get(name)) is not None}
    _tell_strangers([name for name in names.unused() if name not in columns], bool(columns), panel, notes)
    # The row whose time is the last one not behind the bar's.
    rows = np.searchsorted(ordered, panel.time_us, side="right") - 1
    members = np.zeros(panel.close.shape, dtype=bool)
    for name, at in columns.items():
        values, _ = numbers_of(table.get(name), f"universe[{name!r}]")
        if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
            raise DataError(f"universe[{name!r}]: expected truth values; got numbers other than 0 and 1")
        members[at] = np.where(rows >= 0, values[order][rows] == 1.0, False)
    before = int(np.count_nonzero(rows < 0))
    if before:
        notes.append(
            f"universe: begins at {shown_time(ordered[0])}; in the {before} bars before it nobody is a member"
        )
    return members


def _by_spells(table: Any, names: Names, panel: PanelPrices, notes: list[str]) -> NDArray[np.bool_]:
    """A table of symbols with the first and the last day of each stay."""
    who = _one_of(names, SYMBOL_NAMES, "universe", "symbols")
    begins = _spell_times(table, _one_of(names, _FROM, "universe", "first days"), panel)
    last, until = names.of(_TO), names.of(_UNTIL)
    if not last and not until:
        ends = np.full(begins.size, MISSING_TIME)
        notes.append("universe: no column says when a member leaves; all stay")
    else:
        ends = _spell_times(table, (last or until)[0], panel)
    series, symbols = numbered(table.get(who))
    _tell_strangers(
        [s for s in symbols if s not in panel._index], any(s in panel._index for s in symbols), panel, notes
    )
    members = np.zeros(panel.close.shape, dtype=bool)
    for number, begin, end in zip(series.tolist(), begins.tolist(), ends.tolist(), strict=True):
        at = panel._index.get(symbols[number]) if number >= 0 else None
        if at is None:
            continue
        first = 0 if begin == MISSING_TIME else int(np.searchsorted(panel.time_us, begin))
        stop = panel.time_us.size
        if end != MISSING_TIME:
            # The last day counts as a whole; a day of leaving does not.
            whole_day = 86_400_000_000 if last and end % 86_400_000_000 == 0 else int(bool(last))
            stop = int(np.searchsorted(panel.time_us, end + whole_day))
        if end != MISSING_TIME and begin != MISSING_TIME and end < begin:
            raise DataError(
                f"universe: {symbols[number]!r} leaves ({shown_time(end)}) before it comes ({shown_time(begin)})"
            )
        members[at, first:stop] = True
    return members


def _spell_times(table: Any, name: str, panel: PanelPrices) -> IntArray:
    """Times of a column in which some may be missing."""
    values = table.get(name)
    missing = np.asarray(
        values.is_null() if hasattr(values, "is_null") else [v is None or v != v for v in values]
    )
    if missing.all():
        return np.full(missing.size, MISSING_TIME)
    if hasattr(values, "is_null"):
        kept = values.filter(~values.is_null())
    else:
        kept = (np.array(values, dtype=object) if isinstance(values, list | tuple) else values)[~missing]
    times = read_time(kept, name, DEFAULTS)
    check_zone(times.zone, panel.time_zone, f"universe[{name!r}]")
    found = np.full(missing.size, MISSING_TIME)
    found[~missing] = times.time_us
    return found


def _tell_strangers(strangers: list[str], some: bool, panel: PanelPrices, notes: list[str]) -> None:
    if not some:
        raise DataError(
            f"universe: none of the assets is in it; it names {strangers[:4]}, the panel {list(panel.symbols[:4])}"
        )
    if strangers:
        listed = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        notes.append(f"universe: {len(strangers)} names are not in the panel ({listed})")


def _one_of(names: Names, known: tuple[str, ...], what: str, of: str) -> str:
    found = names.of(known)
    if not found:
        raise DataError(f"{what}: expected a column of {of}, such as {known[0]!r}; got {names.all}")
    return names.take(found[0])


def _texts(values: Any) -> list[Any]:
    listed = values.to_list() if hasattr(values, "to_list") else list(values)
    return [None if value is None or value != value else str(value) for value in listed]
