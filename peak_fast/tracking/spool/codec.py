"""Plain values to bytes and back: pickle's speed without pickle's power to run code.

Writing turns every value that is not plain data into plain data (NumPy scalars to numbers, models and
dataclasses to dicts, anything else to its text).  Reading refuses everything but plain data, so a spool
file that somebody else put into the folder can be wrong, but cannot execute anything.
"""

from __future__ import annotations

import datetime as dt
import enum
import io
import pickle
from pathlib import PurePath
from typing import Any

import numpy as np

from peak_fast.tracking.sanitize import mapping_of

# Everything that reading may call.
_PLAIN = (float, int, str, bool, list, dict, bytes, dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone)
_ALLOWED: dict[tuple[str, str], Any] = {(kind.__module__, kind.__name__): kind for kind in _PLAIN} | {
    ("builtins", "bytearray"): bytes,
    ("builtins", "set"): list,
    ("builtins", "frozenset"): list,
}
_dumps = pickle.dumps
# Pickle's opcode for "look up a name": bytes without it hold plain data only.
_LOOK_UP = b"\x93"
_KEPT = (dt.date, dt.time, dt.timedelta, dt.timezone)
_CALLED = frozenset(_ALLOWED.values())


def plain(value: Any) -> Any:
    """The plain value that stands for an object which is not plain data."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item() if not isinstance(value, (np.datetime64, np.timedelta64)) else str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, type):
        return value.__qualname__
    found = mapping_of(value)
    if found is not None:
        return dict(found)
    if isinstance(value, PurePath):
        return str(value)
    if callable(value):
        return getattr(value, "__qualname__", None) or repr(value)
    try:
        if hasattr(value, "keys"):
            return dict(value)
        return list(value) if isinstance(value, (list, tuple, range)) else str(value)
    except Exception:
        return f"<{type(value).__name__}>"


class _PlainPickler(pickle.Pickler):
    """Pickler that asks :func:`plain` for every object that needs code to be rebuilt."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and obj in _CALLED:
            return NotImplemented
        if isinstance(obj, _KEPT) and (
            not isinstance(obj, (dt.datetime, dt.time)) or isinstance(obj.tzinfo, (dt.timezone, type(None)))
        ):
            return NotImplemented
        if isinstance(obj, (dt.datetime, dt.time)):
            return (str, (obj.isoformat(),))
        value = plain(obj)
        kind = type(value)
        if kind is dict:
            return (dict, (list(value.items()),))
        if kind in (float, int, str, bool, list):
            return (kind, (value,))
        return (str, (str(value),))


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"spool record names {module}.{name}, which is not plain data"
            ) from None


def encode(value: Any) -> bytes:
    """The bytes of a value, as :func:`decode` reads them.

    Numbers, text, bytes, None, lists, tuples, sets, dicts and dates keep their type; everything else is replaced as
    :func:`plain` says.
    """
    try:
        data = _dumps(value, 5)
        if _LOOK_UP not in data:
            return data
        decode(data)  # the byte may be a part of a number, too
        return data
    except Exception:  # what cannot be pickled, or names code, has a plain form all the same
        pass
    buffer = io.BytesIO()
    _PlainPickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """The value of bytes that :func:`encode` made, or of three lines of text: ``(run id, time in ms, word)``.

    Damaged bytes, or such as name something that is not plain data, are a :class:`pickle.UnpicklingError`.
    """
    try:
        if not data.startswith(pickle.PROTO):
            run_id, time_ms, word = data.decode("utf-8", "surrogatepass").split("\n", 2)
            return run_id, int(time_ms), word
        return _PlainUnpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # damaged bytes raise nearly anything
        raise pickle.UnpicklingError(f"damaged record: {error}") from error
