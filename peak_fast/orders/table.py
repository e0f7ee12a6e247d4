"""From a frame of instructions (one row per action) to the action array of the order kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import check_zone, untold
from peak_fast.errors import DataError, did_you_mean
from peak_fast.orders.memory import blank_actions
from peak_fast.orders.table_checks import check_actions, check_counts, refuse
from peak_fast.orders.table_frames import table_of
from peak_kernels import order_slots as f
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

    from peak_fast.data import Calendar

ACTIONS = {
    "place": f.OP_PLACE, "modify": f.OP_MODIFY, "cancel": f.OP_CANCEL,
    "cancel_with_exits": f.OP_CANCEL, "close": f.OP_CLOSE, "trail_stops": f.OP_TRAIL_LOTS,
    "set_exits": f.OP_EXITS,
}  # fmt: skip
KINDS = {
    "market": f.MARKET, "limit": f.LIMIT, "stop": f.STOP, "stop_limit": f.STOP_LIMIT,
    "trailing_stop": f.TRAILING_STOP, "trailing_stop_limit": f.TRAILING_STOP_LIMIT,
    "market_on_close": f.MARKET_ON_CLOSE,
}  # fmt: skip
UNITS = {
    "units": f.UNITS, "value": f.VALUE, "equity_fraction": f.EQUITY_FRACTION,
    "margin_fraction": f.MARGIN_FRACTION, "position_fraction": f.POSITION_FRACTION,
    "target_units": f.TARGET_UNITS, "target_value": f.TARGET_VALUE, "target_fraction": f.TARGET_FRACTION,
}  # fmt: skip
SIDES = {"buy": 1.0, "sell": -1.0, "long": 1.0, "short": -1.0, "1": 1.0, "-1": -1.0}
TRAIL_UNITS = {"fraction": f.FRACTION, "distance": f.DISTANCE}
EXIT_UNITS = {"price": f.PRICE, "fraction": f.FRACTION, "distance": f.DISTANCE}
TIMES_IN_FORCE = {"gtc": f.GTC, "day": f.DAY, "gtd": f.GTD, "ioc": f.IOC, "fok": f.FOK}
COLUMNS = (
    "bar", "timestamp", "action", "type", "side", "size", "size_unit", "limit", "stop", "trail", "trail_unit",
    "stop_loss", "take_profit", "exit_unit", "valid_until", "time_in_force", "parent", "oco_group", "tag",
    "reduce_only", "asset",
)  # fmt: skip
_PRICES = {
    "limit": f.X_LIMIT, "stop": f.X_STOP, "trail": f.X_TRAIL,
    "stop_loss": f.X_STOP_LOSS, "take_profit": f.X_TAKE_PROFIT,
}  # fmt: skip
_WORDS: dict[str, tuple[int, dict[str, Any], str]] = {
    "action": (f.X_OP, ACTIONS, "place"),
    "type": (f.X_KIND, KINDS, "market"),
    "size_unit": (f.X_UNIT, UNITS, "units"),
    "trail_unit": (f.X_TRAIL_UNIT, TRAIL_UNITS, "fraction"),
    "exit_unit": (f.X_EXIT_UNIT, EXIT_UNITS, "price"),
    "time_in_force": (f.X_TIF, TIMES_IN_FORCE, "gtc"),
}


# Both are cancellations for the kernel; one takes the exits of lots along.
_WITH_EXITS = {name: float(name == "cancel_with_exits") for name in ACTIONS}


class Actions:
    """Parsed instructions: the kernel's array, and the names that it holds as numbers."""

    def __init__(self, array: FloatArray, tags: tuple[str, ...] | None, rows: IntArray | None) -> None:
        self.array = array
        self.tags = tags
        self.rows = rows
        """Row of the user's frame of each action (actions are sorted by bar)."""


class _Reader:
    """Reads the columns of one frame; every complaint names the row."""

    def __init__(
        self,
        frame: pl.DataFrame,
        time_us: IntArray,
        assets: list[str],
        latency: int,
        calendar: Calendar | None,
    ) -> None:
        unknown = [name for name in frame.columns if name not in COLUMNS]
        if unknown:
            raise DataError(
                f"orders has an unknown column {unknown[0]!r}; {did_you_mean(unknown[0], COLUMNS)}"
            )
        if "bar" not in frame.columns and "timestamp" not in frame.columns:
            raise DataError("orders needs a column 'bar' (index) or 'timestamp': when each action is taken")
        self.frame, self.time_us, self.assets, self.latency = frame, time_us, assets, latency
        self.calendar = calendar
        self.height = frame.height

    def column(self, name: str) -> pl.Series | None:
        """A column that says something, else None."""
        if name not in self.frame.columns or self.frame[name].null_count() == self.height:
            return None
        return self.frame[name]

    def numbers(self, name: str) -> FloatArray:
        """Finite numbers of a column, NaN where it says nothing."""
        import polars as pl

        column = self.column(name)
        if column is None:
            return np.full(self.height, np.nan)
        if column.dtype.is_numeric():
            out = np.array(column.cast(pl.Float64).fill_null(np.nan).to_numpy())
        else:
            out = np.full(self.height, np.nan)
            for row, value in enumerate(column.to_list()):
                try:
                    # A truth value is no number.
                    out[row] = np.nan if value is None else float("x" if isinstance(value, bool) else value)
                except (TypeError, ValueError):
                    raise DataError(f"orders row {row}: {name} must be a number, got {value!r}") from None
        refuse(np.isinf(out), lambda row: f"{name} must be a finite number, got {out[row]}")
        return out

    def coded(self, name: str, known: dict[str, Any], default: float) -> FloatArray:
        """Codes of a column of words, whatever their case; ``default`` where it says nothing."""
        import polars as pl

        column = self.column(name)
        if column is None:
            return np.full(self.height, default)
        if column.dtype.is_float() and (column == column.round()).all():
            column = column.cast(pl.Int64)
        # There are few different words: each is looked at once.
        words = column.cast(pl.String, strict=False) if column.dtype != pl.Object else column
        different = words.unique(maintain_order=True).drop_nulls().to_list()
        codes = {word: known.get(str(word).lower()) for word in different}
        for word, code in codes.items():
            if code is None:
                row = words.to_list().index(word)
                raise DataError(
                    f"orders row {row}: {name}={column[row]!r}; {did_you_mean(str(word).lower(), known)}"
                )
        mapped = words.replace_strict(list(codes), list(codes.values()), return_dtype=pl.Float64)
        return np.array(mapped.fill_null(default).to_numpy())

    def words(self, name: str) -> FloatArray:
        """Codes of a column of words."""
        _, known, default = _WORDS[name]
        return self.coded(name, known, known[default])

    def bars_of(self, name: str) -> FloatArray:
        """Bars of a column of numbers or time stamps (the last one that is not later); NaN where it says nothing."""
        import polars as pl

        column = self.column(name)
        if column is None:
            return self.numbers(name)
        if column.dtype.is_numeric() and not _are_times(column):
            self.check_counted(name)
            return self.numbers(name)
        out = np.full(self.height, np.nan)
        if column.dtype == pl.Object:
            for row, value in enumerate(column.to_list()):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self.check_counted(name)
                    out[row] = value
                elif value is not None:
                    out[row] = self.bars_at(pl.Series([value]), name)[0]
            return out
        given = column.is_not_null().to_numpy()
        out[given] = self.bars_at(column.drop_nulls(), name)
        return out

    def check_counted(self, name: str) -> None:
        """Refuse numbers of bars as times, and, as they may count from either end, beside a frame turned round."""
        check_counts(name, self.frame[name])
        if self.calendar is not None and self.calendar.turned:
            raise untold(f"orders: column {name!r}", self.calendar, DataError)

    def bars_at(self, times: pl.Series, name: str) -> IntArray:
        """Bar that each time lies in; of the times of orders, none behind the end of the last bar.

        That is the last bar that does not open later, or the first that does not close earlier where the times of
        the bars are their closes: a time that is a bar's own stamp means that bar.
        """
        from peak_fast.data import as_time

        moments, zone = as_time(times, name)
        if self.calendar is not None:
            if self.calendar.time_us is None:
                raise DataError(
                    f"orders: column {name!r} holds times, but the bars have none to find them among; expected bars "
                    "with times, or the numbers of the bars"
                )
            check_zone(zone, self.calendar.time_zone, f"orders: column {name!r}")
        if self.calendar is not None and self.calendar.stamp == "close" and self.calendar.time_us is not None:
            ended: IntArray = np.searchsorted(self.calendar.time_us, moments, side="left")
            return np.where(moments <= self.time_us[0], -1, ended)
        bars: IntArray = np.searchsorted(self.time_us, moments, side="right") - 1
        if name == "timestamp" and self.time_us.size > 1:
            # Nobody says when the last bar ends: it lasts as long as the longest one before it at most.
            bars += moments >= self.time_us[-1] + np.diff(self.time_us).max()
        return bars

    def bars(self) -> IntArray:
        """Bar of each action."""
        if self.column("bar") is not None:
            self.check_counted("bar")
        bars, found = self.numbers("bar"), self.bars_of("timestamp")
        refuse((bars == bars) & (found == found) & (bars != found), lambda row: (
            f"bar {bars[row]:.17g} and timestamp {self.frame['timestamp'][row]}, which is in bar {found[row]:.17g}, "
            "contradict each other; expected one of the two"
        ))  # fmt: skip
        refuse((found < 0) | (found > self.time_us.size - 1), lambda row: (
            f"timestamp {self.frame['timestamp'][row]} lies "
            f"{'before the first' if found[row] < 0 else 'behind the last'} bar; expected a time inside of them"
        ))  # fmt: skip
        out = np.where(np.isnan(bars), found, bars)
        refuse(np.isnan(out), "neither bar nor timestamp is given")
        last = self.time_us.size - 1
        refuse((out < 0) | (out > last), lambda row: f"bar {out[row]:.17g} is not in 0..{last}")
        refuse(out != np.floor(out), lambda row: f"bar {out[row]:.17g} is not a whole number")
        return out.astype(np.int64)

    def valid_bars(self, bars: IntArray, codes: FloatArray) -> FloatArray:
        """Last bar on which an order may fill; infinite: no end."""
        out = self.bars_of("valid_until")
        refuse(np.isnan(out) & (codes == f.GTD), "time_in_force='gtd' needs valid_until (bar or timestamp)")
        out[np.isnan(out)] = np.inf
        refuse(out != np.floor(out), lambda row: f"valid_until={out[row]:.17g} is not a whole number")
        of_day = codes == f.DAY
        ends = calendar_of(bars[of_day], self.time_us, None, self.latency)[f.C_DAY_END]
        out[of_day] = np.minimum(out[of_day], ends)
        return out

    def asset_numbers(self) -> FloatArray:
        out = np.zeros(self.height)
        column = self.column("asset")
        numbers = {name: number for number, name in enumerate(self.assets)}
        for row, value in enumerate([] if column is None else column.to_list()):
            if value is None:
                continue
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(self.assets):
                out[row] = value
            elif value in numbers:
                out[row] = numbers[value]
            else:
                raise DataError(f"orders row {row}: asset={value!r}; {did_you_mean(str(value), self.assets)}")
        return out

    def names(self, name: str, known: dict[str, int]) -> FloatArray:
        """Numbers that stand for names; -1 where there is none."""
        out = np.full(self.height, -1.0)
        column = self.column(name)
        for row, value in enumerate([] if column is None else column.to_list()):
            # A NaN of another library says nothing, either.
            if value is not None and value == value:
                out[row] = known.setdefault(str(value), len(known))
        return out

    def flags(self, name: str) -> FloatArray:
        """Zeros and ones of a column of truth values; 0 where it says nothing."""
        column = self.column(name)
        out = np.zeros(self.height)
        for row, value in enumerate([] if column is None else column.to_list()):
            if value not in (None, True, False):
                raise DataError(f"orders row {row}: {name} must be True or False, got {value!r}")
            out[row] = bool(value)
        return out


def _are_times(column: pl.Series) -> bool:
    """Whether numbers are calendar days or an epoch: no frame has so many bars."""
    least = column.min()
    return least is not None and float(least) >= 10_000_000  # type: ignore[arg-type]


def calendar_of(
    bars: IntArray, time_us: IntArray, session_end_us: int | None, latency: int = 0
) -> FloatArray:
    """What instructions of some bars need to know of the calendar, ``[3, instruction]``.

    Last bar of the day of the first bar that works them; bar that works a market-on-close order, and which close it
    gets (``X_AUCTION_CLOSE``).  The session ends at ``session_end_us`` after midnight (None: at the last bar of each
    calendar day).
    """
    day_us, last = 86_400_000_000, time_us.size - 1
    out = np.zeros((3, bars.size))
    if bars.size == 0:
        return out
    # An order that takes longer to arrive is one that was given later.
    bars = np.minimum(bars + latency, last)
    day = time_us // day_us
    out[f.C_DAY_END] = np.searchsorted(day, day[np.minimum(bars + 1, last)], side="right") - 1
    if session_end_us is None:
        out[f.C_AUCTION] = np.where(bars < last, out[f.C_DAY_END], np.inf)
        return out
    end = time_us[bars] // day_us * day_us + session_end_us
    end += np.where(time_us[bars] > end, day_us, 0)
    at = np.maximum(np.searchsorted(time_us, end, side="left"), bars + 1)
    out[f.C_AUCTION] = np.where(at <= last, at, np.inf)
    sees_others = (at > bars + 1) & (at <= last)
    out[f.C_AUCTION_CLOSE] = np.where(time_us[np.minimum(at, last)] == end, 2.0, 1.0) * sees_others
    return out


def read_actions(
    orders: Any,
    time_us: IntArray,
    assets: list[str],
    *,
    session_end_us: int | None = None,
    latency: int = 0,
    first_bar: int = 0,
    signed: Sequence[bool] = (),
    calendar: Calendar | None = None,
) -> Actions:
    """Read instructions.

    Parameters
    ----------
    orders
        Polars frame, any frame narwhals knows, list of dicts, or dict of lists; columns `COLUMNS`.
    time_us
        Time of each bar's open, microseconds.
    assets
        Names of the assets.
    session_end_us
        Time of day at which market-on-close orders fill; None: the last bar of the day.
    latency, first_bar
        Fields of `OrderRules`: bars until an order arrives; first bar that is simulated.
    signed
        Whether each asset has prices at or below zero; empty: none has.
    calendar
        Of the bars, whose zone times must have; None: times are taken as they are.

    Raises
    ------
    DataError
        A column or a word is unknown, or a row lacks what its action needs.
    """
    reader = _Reader(table_of(orders), time_us, assets, latency, calendar)
    array = blank_actions(reader.height)
    for name, (column, _, _) in _WORDS.items():
        array[:, column] = reader.words(name)
    for name, column in _PRICES.items():
        array[:, column] = reader.numbers(name)
    bars = reader.bars()
    array[:, f.X_BAR] = bars
    array[:, f.X_SIZE] = reader.numbers("size")
    array[:, f.X_SIDE] = reader.coded("side", SIDES, 0.0)
    array[:, f.X_VALID] = reader.valid_bars(bars, array[:, f.X_TIF])
    array[:, f.X_ASSET] = reader.asset_numbers()
    tags: dict[str, int] = {}
    array[:, f.X_TAG] = reader.names("tag", tags)
    array[:, f.X_OCO] = reader.names("oco_group", {})
    array[:, f.X_REDUCE] = reader.flags("reduce_only")
    array[reader.coded("action", _WITH_EXITS, 0.0) > 0.0, f.X_REDUCE] = 1.0
    parents = reader.column("parent")
    linked = {
        "parent": np.zeros(reader.height, np.bool_) if parents is None else parents.is_not_null().to_numpy(),
        "reduce_only": reader.flags("reduce_only") > 0.0,
    }
    check_actions(array, (ACTIONS, KINDS, UNITS), linked, tuple(tags), first_bar, signed)
    order = np.argsort(bars, kind="stable")
    array = array[order]
    if parents is not None:
        _link_parents(array, parents.to_list(), order, tags)
    at_close = array[:, f.X_KIND] == f.MARKET_ON_CLOSE
    moments = calendar_of(array[at_close, f.X_BAR].astype(np.int64), time_us, session_end_us, latency)
    array[at_close, f.X_AUCTION] = moments[f.C_AUCTION]
    array[at_close, f.X_AUCTION_CLOSE] = moments[f.C_AUCTION_CLOSE]
    return Actions(array, tuple(tags), order)


def _link_parents(array: FloatArray, parents: list[Any], order: IntArray, tags: dict[str, int]) -> None:
    """Replace the parent's tag by the number of the action that last placed an order of that tag."""
    placed: dict[float, int] = {}
    for number, row in enumerate(array):
        parent = parents[int(order[number])]
        if parent is not None:
            tag = tags.get(str(parent))
            if tag is None or float(tag) not in placed:
                raise DataError(
                    f"orders row {order[number]}: no order with the tag {parent!r} was placed before"
                )
            row[f.X_PARENT] = placed[float(tag)]
        if row[f.X_OP] == f.OP_PLACE and row[f.X_TAG] >= 0.0:
            placed[float(row[f.X_TAG])] = number
