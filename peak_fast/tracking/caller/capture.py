"""A finished backtest as spool records: what must be copied in the caller's process, and nothing more.

Everything that can wait (flattening parameters, sorting metrics, trade statistics, pictures) is done by the writer
(``unpack.py``, ``thawed.py``).

A ``BacktestResult`` is frozen.  Asking it for its metadata and trades makes it hash its curves and work out
excursions: half a millisecond, several times the backtest itself.  So the raw arrays travel instead, and the writer
makes figures, returns and excursions of them with the result's own code:

* metrics, final state and trades as the kernel wrote them;
* what the equity curve follows from, with the closes, which the segment holds once per data set: cash and position
  change at fills only.  Where each trade has one entry and one exit, the trades say what the fills say, but for the
  fees of the entries, where these do not follow from the rate; else the fills travel, too.  Where they are larger than
  the curve, it travels as float32;
* the settings once per engine and data set (STATIC), the bars once per data set (BARS).

The result's hash is left out: only the caller could compute it, at twice the cost of the whole backtest.  Head of a
FROZEN record, of which the prefix has the first three where it is one of a loop::

    (run id, time in ms, parts and kind of the curve, number of the STATIC record, parameters, n_trades, n_more)

Anything else that has the attributes of a result is a RESULT record: its statistics and metadata, the curve as float32
points (for pictures and the tear sheet, relative error 6e-8), the trades as raw records::

    (run id, time in ms, key of the bars or None, parts, (stats, metadata, n_bars, n_points, trades))

``trades`` is None, ``("records", dtype text, n)``, ``("ipc", "", 0)`` or ``("columns", dict, 0)``; the
buffers are the equity points and the trade bytes.  That of a portfolio has three more entries: what the numbers in
columns of the trades mean, how many holdings there are, and the dtype text of these; their bytes precede the trades.
For the tear sheet one more follows: what its times mean, and how many values of the equity without deposits follow the
trades as float64.
"""

from __future__ import annotations

import functools
import io
import struct
from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from time import time_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.tracking import spool
from peak_fast.tracking.spool import MAGIC, PACKED_MORE, PICKLED, Curve, Kind, Part

if TYPE_CHECKING:
    from peak_fast.tracking.spool import SegmentWriter

Head = tuple[Any, ...]
_LETTERS: dict[type, str] = {int: "q", float: "d", bool: "?7x"}
_BEGIN, _PLACE = struct.Struct("<QQQ"), struct.Struct("<q16s")

# What a STATIC record speaks of.  An engine hands the same objects to each result, so a comparison rarely looks inside.
shared_by = attrgetter("_settings", "bars", "_strategy", "symbol", "_notes")
# The same of a frame that is passed again: new bars each time, of one object that stands for their values.
_shared_again = attrgetter("_settings", "bars._first", "_strategy", "symbol", "_notes")
# STATIC records that may be meant again, as loops go through a few strategies in turn; each keeps its strategy alive.
_KEPT = 4
_facts_of = attrgetter("time_zone", "stamp", "has_time", "n_invalid", "_notes")
_arrays_of = attrgetter("time_us", "open", "high", "low", "close", "volume")
# Up to this size a copy of bars is kept to compare others with; larger ones are hashed each time.
_COPIED_BYTES = 4 << 20


class Template:
    """What a kernel gets of results of one strategy besides the arrays, as words (`peak_kernels.sealing`).

    ``code`` is kind and word of the records, ``number`` that of the STATIC record.  Parameters of other names and types
    than these ``params`` are pickled; an outcome of another type than ``kind`` is not for a kernel.
    """

    def __init__(self, code: int, number: int, params: dict[str, Any], kind: type | None) -> None:
        self.number, self.kind = number, kind
        self.names: list[str] | None = list(params)
        self.types = list(map(type, params.values()))
        letters = [_LETTERS.get(kind) for kind in self.types]
        # For :mod:`struct`; None where it has no letter for a type.
        self.form = None if None in letters else "".join(map(str, letters))
        if self.form is None:
            self.names = None
        mark = int.from_bytes(MAGIC, "little")
        self._begin, self._begin_pickled = (_BEGIN.pack(code, mark, n) for n in (number, number | PICKLED))
        # One pair, which is taken while it is in use: a signal handler that logs a result finds none.
        self.spare: list[tuple[Callable[..., None], Any]] = []
        self.renew()

    def renew(self) -> None:
        """Make the spare pair, after an interrupt has taken it: what sets time, run and parameters, and the words."""
        values = struct.Struct(f"<q16s{self.form or ''}")
        memory = bytearray(self._begin + bytes(values.size))
        fill = functools.partial(values.pack_into, memory, len(self._begin))
        self.spare = [(fill, np.frombuffer(memory, dtype=np.uint64))]

    def pickled(self, run: bytes, params: dict[str, Any]) -> Any:
        """The words of a result with any parameters."""
        data = spool.encode(params)
        begin = self._begin_pickled + _PLACE.pack(time_ns(), run)
        return np.frombuffer(begin + data + bytes(-len(data) % 8), dtype=np.uint64)


class Capture:
    """Captures results for one segment; remembers what the segment already holds.

    ``code`` is kind and word of the record of a result whose curve the trades say.
    """

    def __init__(self, code: int = Kind.PACKED) -> None:
        self._code = code
        # What the last STATIC record in use speaks of (see `shared_by`), the kernel that stores results (None where
        # these take the longer way), and how they are packed.  Replaced as a whole, and only once the record is
        # written: its number never stands beside what it does not mean.
        self.latest: tuple[Any, Callable[..., None] | None, Template] = (None, None, Template(0, 0, {}, None))
        self._shared: deque[tuple[Any, ...]] = deque(maxlen=_KEPT)
        self._data: tuple[Any, Any, tuple[Any, ...]] = (None, None, ())
        self._keys: set[str] = set()
        self._n_static = 0

    def store(self, segment: SegmentWriter, run: bytes, result: Any) -> bool:
        """Append the PACKED record of a result whose curve the trades say; False, and nothing is stored, for others.

        Those speak of something else than the last STATIC record, have a curve that needs more than the trades, find
        no room in the window, or are none of ours.
        """
        shared, kernel, template = self.latest
        try:
            if kernel is None or (shared_by(result) != shared and _shared_again(result) != shared):
                return False
            params, outcome = result.params, result._outcome
            values, trades, metrics, state = params.values(), outcome.trades, outcome.metrics, outcome.state
            count = len(trades)
            more = len(outcome.fills) - count - count
            if (more and not _paired(more, state, _slots().UNITS)) or type(outcome) is not template.kind:
                return False
            if [*params] == template.names and [*map(type, values)] == template.types:
                pair = template.spare.pop()
                fill, words = pair
                fill(time_ns(), run, *values)
            else:
                pair, words = None, template.pickled(run, params)
            size = words.nbytes + metrics.nbytes + state.nbytes + trades.nbytes + PACKED_MORE
        except (
            Exception
        ):  # another kind of result, objects that cannot be compared, a number of more than 64 bits
            return False
        stored = segment.put_words(kernel, (words, metrics, state, trades), size)
        if pair is not None:
            template.spare.append(pair)
        return stored

    def frozen(self, run_id: str, now_ms: int, result: Any, parts: int) -> tuple[Head, list[Any]]:
        """Head and buffers of the FROZEN record of a result, whose STATIC record is the latest."""
        kind, arrays = freeze(result, parts & Part.FIGURE != 0, parts & Part.SHEET != 0)
        number, sizes = self.latest[2].number, (len(arrays[2]), len(arrays[3]))
        head = (run_id, now_ms, parts | kind, number, result.params, *sizes)
        return head, list(arrays)

    def share(self, result: Any) -> Iterator[tuple[int, Head, list[Any]]]:
        """The BARS and STATIC records that must precede the record of a frozen result, if there are any.

        Whoever asks for the next one has appended the one before.  Most results have the very objects of ``latest``
        (see the caller); objects that are equal, of two engines or of a frame that is read again, are found here.
        """
        bars, data = self._recorded(result.bars)
        shared = (data, result._strategy, result.symbol, result._notes, *result._used.values())
        found = next((found for known, *found in self._shared if _same(known, shared)), None)
        if found is None:
            key, record = self.bars(result)
            if record is not None:
                yield Kind.BARS, *record
                self._keys.add(key)
            number = self._n_static = self._n_static + 1
            template = Template(self._code, number, result.params, type(result._outcome))
            head = (None, number, describe(result, template), key, str(result.symbol))
            yield Kind.STATIC, head, [result._settings.tobytes()]
            found = [template]
            self._shared.append((shared, *found))
        if not found[0].spare:
            found[0].renew()
        quick = "order_book" not in result._used and _fees_follow(result._settings)
        of = (result._settings, bars, *shared_by(result)[2:])
        self.latest = (of, _kernel(result._outcome) if quick else None, *found)

    def _recorded(self, bars: Any) -> tuple[Any, tuple[Any, ...]]:
        """What stands for bars in later results, and what tells them from others.

        A frame that is passed each time makes new bars each time.  Those of small frames say themselves whether the
        values are the same; others are compared with a copy, not with the bars before, which may lie in the memory of a
        frame that is edited in place.
        """
        bars = getattr(bars, "_first", None) or bars
        known, copy, data = self._data
        if bars is not known:
            arrays, facts = _arrays_of(bars), _facts_of(bars)
            small = 8 * len(arrays) * len(bars) <= _COPIED_BYTES
            found = [None if array is None else array.tobytes() for array in arrays] if small else bars.hash
            if (found, facts) != (copy, data[1:]):
                copy, data = found, (bars.hash, *facts)
            self._data = (bars, copy, data)
        return bars, data

    def bars(self, result: Any, metadata: Any = None) -> tuple[str, tuple[Head, list[Any]] | None]:
        """Key of a result's bars, and head and buffers of their BARS record if the segment lacks it."""
        bars = getattr(result, "bars", None)
        if bars is None:
            return "", None
        digest = getattr(bars, "hash", None) or _digest(metadata)
        # Bars without a hash are written each time: another object may get the same id later.
        key = str(digest or f"object {id(bars)}")
        known = digest and key in self._keys
        return key, (None if known else bars_record(key, bars, str(digest or "")))

    def plain(
        self, run_id: str, now_ms: int, result: Any, parts: int
    ) -> Iterator[tuple[int, Head, list[Any]]]:
        """The records of anything with the attributes of a ``BacktestResult``; see :meth:`share`."""
        if hasattr(result, "recorded"):
            result = result.recorded()
        metadata = getattr(result, "metadata", None)
        key, record = self.bars(result, metadata)
        if record is not None:
            yield Kind.BARS, *record
            self._keys.add(key)
        n_bars, n_points, trades = 0, 0, None
        holdings, more = getattr(result, "holdings", None), []
        buffers: list[Any] = []
        if parts & Part.FIGURE:
            points = spool.curve_points(result.equity, parts & Part.SHEET != 0)
            n_bars, n_points = len(result.equity), len(points)
            buffers.append(points)
        if holdings is not None and parts & Part.REPORTS:
            more = [dict(result.names), len(holdings), repr(holdings.dtype.descr)]
            buffers.append(holdings)
        values = getattr(result, "values", None) if more and parts & Part.SHEET else None
        if more and parts & Part.SHEET:
            more.append({**result.timing, "n_values": 0 if values is None else len(values)})
        if parts & (Part.FIGURE | Part.REPORTS):
            records = getattr(result, "trade_records", None)
            trades, data = encode_trades(records if _is_flat(records) else getattr(result, "trades", None))
            buffers += [data] if values is None else [data, values]
        content = (result.stats, metadata, n_bars, n_points, trades, *more)
        yield Kind.RESULT, (run_id, now_ms, key, parts, content), buffers


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # a strategy of the user's, compared in a way of its own
        return False


def can_freeze(result: Any) -> bool:
    """Whether a result is a ``BacktestResult`` (or has all that is read of one)."""
    # A portfolio has arrays of another form.  Asked of the class: a result looks for names like one that it lacks.
    if hasattr(type(result), "recorded") or "financing" in getattr(result, "_used", ()):
        # Payments travel in its statistics.
        return False
    return all(hasattr(result, name) for name in ("_outcome", "_used", "_settings"))


def freeze(result: Any, curve: bool, whole: bool = False) -> tuple[int, tuple[Any, Any, Any, Any]]:
    """The kind of the curve, and the raw arrays of a result.

    The arrays are metrics, state, trades and what the curve is made of besides: nothing, fees of the entries, fills, or
    points, which are one a bar with ``whole``.  ``curve`` says whether it is wanted.
    """
    outcome = result._outcome
    state, trades, fills = outcome.state, outcome.trades, outcome.fills
    if "order_book" in result._used:
        # Cash moves without a fill there (interest, funding); the columns before the tag, which stays with the caller.
        trades = np.ascontiguousarray(trades[:, : _slots().RECORD_WIDTH])
        kind, last = (
            (Curve.POINTS, spool.curve_points(outcome.curve[0], whole)) if curve else (Curve.NONE, b"")
        )
    elif not curve:
        kind, last = Curve.NONE, b""
    elif _paired(len(fills) - 2 * len(trades), state, _slots().UNITS):
        kind = Curve.TRADES
        last = (
            b"" if _fees_follow(result._settings) else fills[::2, _slots().FILL_COLUMNS.index("fee")].copy()
        )
    elif fills.nbytes <= 4 * outcome.curve.shape[1]:
        kind, last = Curve.FILLS, fills
    else:
        kind, last = Curve.POINTS, spool.curve_points(outcome.curve[0], whole)
    return kind, (outcome.metrics, state, trades, last)


def _paired(more: int, state: Any, units: int) -> bool:
    """Whether each trade has one entry and one exit; ``more`` fills than two a trade.

    A fill belongs to one trade, and a trade that is over has two fills at least.  So two per trade is exactly two for
    each, and one more is the entry of the open one, if there is one.
    """
    return more == 0 or (more == 1 and bool(state[units] != 0.0))


def _fees_follow(settings: Any) -> bool:
    """Whether the fee of an entry follows from that of its trade: none, or the same share of each value."""
    t = _slots()
    others = settings[[t.FEE_FIXED, t.FEE_PER_UNIT, t.FEE_MINIMUM]]
    return bool(settings[t.RATE] == settings[t.MAKER_RATE] and not others.any())


@functools.cache
def _slots() -> Any:
    # Not at the top: a tracker is built without the kernels.
    from peak_kernels import slots

    return slots


def _kernel(outcome: Any) -> Callable[..., None] | None:
    """What stores the arrays of outcomes of this type; None where a kernel must not read them."""
    arrays = outcome.metrics, outcome.state, outcome.trades
    forms = [(array.dtype.char, array.ndim, array.flags.c_contiguous) for array in arrays]
    if forms != [("d", 1, True), ("d", 1, True), ("d", 2, True)]:
        return None
    from peak_kernels.entries import STORE_RECORD

    STORE_RECORD.prepare()
    return STORE_RECORD.call


def describe(result: Any, template: Template) -> dict[str, Any]:
    """What results of one engine, strategy and data set share."""
    from peak_fast.results import shared_metadata

    return {
        **shared_metadata(result),
        "has_time": result.bars.has_time,
        "layout": spool.spooled(),
        "params": (template.names, template.form),
    }


def _digest(metadata: Any) -> str | None:
    try:
        return str(metadata["data"]["hash"] or "") or None
    except (KeyError, TypeError):
        return None


def bars_record(key: str, bars: Any, digest: str) -> tuple[Head, list[Any]]:
    """Head and buffers of a BARS record.

    The head is ``(None, key, n_bars, time zone, number of price arrays, hash, bars without prices)``; the
    buffers are times, closes and, where the bars have them, highs and lows.
    """
    arrays = [np.ascontiguousarray(bars.time_us, dtype=np.int64)]
    names = ("close", "high", "low") if getattr(bars, "high", None) is not None else ("close",)
    arrays += [np.ascontiguousarray(getattr(bars, name), dtype=np.float64) for name in names]
    n_invalid = int(getattr(bars, "n_invalid", 0))
    zone = getattr(bars, "time_zone", None)
    return (None, key, len(arrays[0]), zone, len(names), digest, n_invalid), arrays


def _is_flat(trades: Any) -> bool:
    return isinstance(trades, np.ndarray) and trades.dtype.names is not None and not trades.dtype.hasobject


def encode_trades(trades: Any) -> tuple[tuple[str, Any, int] | None, Any]:
    """Trades of any form that :func:`peak_fast.report.trades.trade_columns` takes, for a record."""
    if trades is None:
        return None, b""
    if hasattr(trades, "write_ipc"):
        buffer = io.BytesIO()
        trades.write_ipc(buffer)
        return ("ipc", "", 0), buffer.getvalue()
    if _is_flat(trades):
        return ("records", repr(trades.dtype.descr), len(trades)), np.ascontiguousarray(trades)
    if hasattr(trades, "columns") and hasattr(trades, "to_dict"):
        return ("columns", trades.to_dict("list"), 0), b""
    return ("columns", trades, 0), b""
