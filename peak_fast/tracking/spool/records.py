"""Records of a segment: their form, and how they are read back.

A record, all numbers little-endian:

====================  ==================================================================================
4, 4, 8 bytes         checksum, size of the head, size of the buffers
8                     time in ns since the epoch
1, 1, 2               kind, word (of a run's own records: a status, parts of a result), check of kind, word and sizes
16                    id of the run; zeros where the head says it, or where there is none
4                     ``PFR7``, stored last: a record without it is not there
...                   head, then buffers: raw memory of NumPy
====================  ==================================================================================

The checksum is the CRC-32 of head and buffers, which begins with a number that id, time and check make, so it covers
these, too.  Start, end and result of a run are the records that a loop of backtests writes, and have no more in their
head than they need (see :func:`head_of`).  The result of such a loop (``PACKED``) is copied and summed by a kernel: all
of it consists of words of 8 bytes, and the checksum is :func:`sum_of`.

Format 4, which is read but not written, had no ``PACKED``; format 3 had magic, kind and sizes first, ids and times in
the heads, and a mark at the end.  A file holds records of one format.
"""

from __future__ import annotations

import functools
import io
import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from peak_fast.tracking.handles import ENDED
from peak_fast.tracking.spool import codec
from peak_fast.tracking.updates import UnknownSpool

# In its magic, the number of a format differs from each other one in two bits at least.
FORMAT = 7
MAGIC = b"PFR7"
PREFIX = struct.Struct("<IIQqHH16s4s")
# What a PACKED record has before its parameters: number of the STATIC record, number of trades; what the first number
# has besides where the parameters are pickled; bytes of the record that its kernel adds to what it is given.
_PACKED_HEAD, PICKLED, PACKED_MORE = struct.Struct("<II"), 1 << 31, 8
# A prime below 2 ** 32, so that a changed byte of what is reduced by it is seen.
PRIME = 4_294_967_291
NO_RUN = bytes(16)


class Kind:
    """Kinds of records, whose heads begin with the run id or None."""

    HEADER, ENVIRONMENT, START, PARAMS, METRICS, TAGS, ARTIFACT, RESULT, BARS, END, RUNS, CLOSE = range(1, 13)
    STATIC, FROZEN = 13, 14
    # Numbers that earlier formats used, 15 to 17, are not given again.
    # Start, result and end of a run: (run id, time, name, parent, tags, kind of the result, rest of its head).
    WHOLE = 18
    # A FROZEN record by a kernel; reading gives it that kind.
    PACKED = 19
    # What reading makes of a damaged place, and of a head that is not plain data.
    UNREADABLE = 0


_MAGIC_3, _END_MARK_3, _MAGIC_4 = b"PFR1", b"\nEOR", b"PFR4"
_PREFIX_3 = struct.Struct("<4sBBHIIQ")
_LARGE = 1 << 20
# Of `peak_kernels.sealing`; odd, so that no difference of one word is lost.
_TURN, _FACTOR = np.uint64(0x9D3C_51B7_E60F_2A85), np.uint64(0xC6A1_08F3_5B9D_74EB)


@dataclass(slots=True)
class Record:
    """One record as read back: ``start`` and ``end`` are offsets in the segment file."""

    kind: int
    head: Any
    buffers: bytes
    start: int
    end: int


class Prefix(NamedTuple):
    """What stands before head and buffers; ``first`` is what their CRC begins with."""

    kind: int
    head_size: int
    buffer_size: int
    crc: int
    first: int
    word: int = 0
    run: bytes = NO_RUN
    time_ms: int = 0


def check_of(code: int, head_size: int, buffer_size: int) -> int:
    """Check of a prefix: another one for each kind and word (``kind + 256 * word``) and size that differs in a byte."""
    return (code * 31 + head_size * 3 + buffer_size) % 65_521


def first_of(run: bytes, time_ns: int, check: int) -> int:
    """What the CRC of a record begins with."""
    return (zlib.crc32(run) + time_ns + check) % PRIME


def sum_of(data: bytes) -> int:
    """Checksum of a PACKED record, of all its bytes but those where the checksum stands."""
    if len(data) % 8:
        return -1
    words = np.frombuffer(b"\0\0\0\0" + data[4:], dtype="<u8")
    mixed = words + np.arange(1, len(words) + 1, dtype=np.uint64) * _TURN
    mixed ^= mixed >> np.uint64(32)
    mixed *= _FACTOR
    total = int((mixed ^ (mixed >> np.uint64(29))).sum())
    return (total ^ total >> 32) & 0xFFFF_FFFF


def _prefix(data: bytes, wanted: bytes = MAGIC) -> Prefix | None:
    crc, head_size, buffer_size, time_ns, code, check, run, magic = PREFIX.unpack(data)
    if magic != wanted or check != check_of(code, head_size, buffer_size):
        return None
    first, time_ms = first_of(run, time_ns, check), time_ns // 1_000_000
    return Prefix(code % 256, head_size, buffer_size, crc, first, code // 256, run, time_ms)


def _prefix_3(data: bytes) -> Prefix | None:
    magic, kind, written, check, head_size, crc, buffer_size = _PREFIX_3.unpack(data)
    if (magic, written, check) != (_MAGIC_3, 3, (kind * 8_191 + head_size * 3 + buffer_size) % 65_521):
        return None
    return Prefix(kind, head_size, buffer_size, crc, check)


class _Form(NamedTuple):
    """A format: its magic and where that stands, size and reader of the prefix, what follows the buffers."""

    magic: bytes
    place: int
    size: int
    prefix: Callable[[bytes], Prefix | None]
    mark: bytes


_FORM = _Form(MAGIC, PREFIX.size - len(MAGIC), PREFIX.size, _prefix, b"")
_FORM_4 = _FORM._replace(magic=_MAGIC_4, prefix=functools.partial(_prefix, wanted=_MAGIC_4))
_FORM_3 = _Form(_MAGIC_3, 0, _PREFIX_3.size, _prefix_3, _END_MARK_3)


def head_of(prefix: Prefix, body: bytes) -> Any:
    """The values of a head, from the run id (or None) on, of the bytes behind a prefix.

    Raises
    ------
    pickle.UnpicklingError
        The bytes are no head.
    """
    if prefix.run == NO_RUN:
        return codec.decode(body[: prefix.head_size])
    run_id = prefix.run.hex()
    try:
        if prefix.kind == Kind.START:
            return run_id, prefix.time_ms, body.decode("utf-8", "surrogatepass")
        if prefix.kind == Kind.END:
            return run_id, prefix.time_ms, ENDED[prefix.word]
        if prefix.kind == Kind.PACKED:  # parameters as the settings' record says them
            number, count = _PACKED_HEAD.unpack_from(body)
            values: Any = body[_PACKED_HEAD.size : prefix.head_size]
            if number & PICKLED:
                number, values = number - PICKLED, codec.decode(values)
            return run_id, prefix.time_ms, prefix.word, number, values, count, 0
        if body.startswith(b"\1"):  # the same in format 4
            number, count = struct.unpack_from("<II", body, 1)
            return run_id, prefix.time_ms, prefix.word, number, body[9 : prefix.head_size], count, 0
        return run_id, prefix.time_ms, prefix.word, *codec.decode(body[: prefix.head_size])
    except (UnicodeDecodeError, IndexError, TypeError, struct.error) as error:
        raise pickle.UnpicklingError(f"damaged record: {error}") from error


def read_records(path: Path, start: int = 0) -> Iterator[Record]:
    """The records of a segment from an offset on; a damaged place comes as a record of kind ``UNREADABLE``.

    Stops at the last record, at one that is not whole, and at the allocated zeros.

    Raises
    ------
    UnknownSpool
        The segment has another format.
    """
    # Unbuffered: a body must be read after the magic that says that it is complete.
    with path.open("rb", buffering=0) as file:
        segment = _Segment(file)
        record = segment.next_from(start)
        while record is not None:
            yield record
            record = segment.next_from(record.end)


def has_record(path: Path, offset: int) -> bool:
    """Whether something begins at an offset."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(PREFIX.size).strip(b"\0") != b""
    except OSError:
        return False


def whole_until(path: Path, start: int) -> int:
    """Offset behind the whole records that follow each other from an offset on."""
    with path.open("rb", buffering=0) as file:
        segment = _Segment(file, _FORM)
        record = segment.record_at(start)
        while record is not None:
            start = record.end
            record = segment.record_at(start)
    return start


class _Segment:
    """A segment that is read.

    Raises
    ------
    UnknownSpool
        It has a format that this version does not know.
    """

    def __init__(self, file: io.FileIO, form: _Form | None = None) -> None:
        self._file = file
        self._name = Path(str(file.name)).name
        self._form = form or self._found_form()

    def _found_form(self) -> _Form:
        """The format of most of the first records; that of one may be damaged."""
        self._file.seek(0)
        begin = self._file.read(1 << 16)
        if begin.startswith(_MAGIC_3):
            self._refuse_unless_3(begin)
            return _FORM_3
        written = begin[_FORM.place : _FORM.size]
        form = max(_FORM, _FORM_4, _FORM_3, key=lambda form: begin.count(form.magic))
        if written[:3] == MAGIC[:3] and form.magic not in begin:
            raise self._unknown(str(written[3] - ord("0")))
        return form

    def _refuse_unless_3(self, begin: bytes) -> None:
        if len(begin) >= _PREFIX_3.size:
            _, kind, written, check, head_size, _, buffer_size = _PREFIX_3.unpack_from(begin)
            if written != 3 and check != (kind * 8_191 + head_size * 3 + buffer_size) % 65_521:
                raise self._unknown(str(written or "1 or 2"))

    def _unknown(self, written: str) -> UnknownSpool:
        return UnknownSpool(
            f"{self._name} has format {written}, this version of peak_fast knows 3, 4 and {FORMAT}; "
            "the file is left alone: run `peak-fast sync` with the version that wrote it"
        )

    def next_from(self, position: int) -> Record | None:
        """The record at an offset, or the damaged stretch there; None at the end."""
        return self.record_at(position) or self._behind_damage(position)

    def record_at(self, position: int) -> Record | None:
        """The record that begins at an offset; None if there is no whole one."""
        form = self._form
        self._file.seek(position)
        data = self._file.read(form.size)
        prefix = form.prefix(data) if len(data) == form.size else None
        if prefix is None:
            return None
        size = prefix.head_size + prefix.buffer_size + len(form.mark)
        # Not `read` at once: it allocates what is asked for, and a damaged size may ask for any amount.
        if size > _LARGE and size > os.fstat(self._file.fileno()).st_size - position:
            return None
        body = self._file.read(size)
        if len(body) < size:
            return None
        end = position + form.size + size
        found = sum_of(data + body) if prefix.kind == Kind.PACKED else zlib.crc32(body, prefix.first)
        if found != prefix.crc:
            return self._damaged(position, end)
        try:
            head = head_of(prefix, body)
        except pickle.UnpicklingError as error:
            return Record(Kind.UNREADABLE, (None, f"record at byte {position}: {error}"), b"", position, end)
        kind = Kind.FROZEN if prefix.kind == Kind.PACKED else prefix.kind
        return Record(kind, head, body[prefix.head_size : size - len(form.mark)], position, end)

    def _damaged(self, start: int, end: int) -> Record:
        text = f"{self._name} is damaged: bytes {start} to {end} cannot be read, what they said is lost"
        return Record(Kind.UNREADABLE, (None, text), b"", start, end)

    def _behind_damage(self, position: int) -> Record | None:
        """What follows a place where no whole record begins: the damaged stretch up to the next one, or nothing."""
        self._file.seek(position)
        rest = self._file.read()
        magic, place = self._form.magic, self._form.place
        found = rest.find(magic) - place
        while found >= -place:
            record = self.record_at(position + found) if found >= 0 else None
            if record is not None and (record.kind != Kind.UNREADABLE or found == 0):
                # Its owner may have completed the one that was looked for first in the meantime.
                return self.record_at(position) or self._damaged(position, position + found)
            found = rest.find(magic, found + place + 1) - place
        return None if self._is_torn(rest) else self._damaged(position, position + len(rest.rstrip(b"\0")))

    def _is_torn(self, rest: bytes) -> bool:
        """Whether the last bytes of a file are what a kill, or an owner at work, leaves of a record."""
        magic, place, size, prefix, _ = self._form
        if len(rest) < size or not any(rest[place : place + len(magic)]):
            return True
        return prefix(rest[:size]) is not None
