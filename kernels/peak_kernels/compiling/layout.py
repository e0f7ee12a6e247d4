"""Sizes of the headers of Python objects, for machine code that reads arrays out of a tuple (`compiling.objects`)."""

from __future__ import annotations

TUPLE_HEADER = tuple.__basicsize__
"""Bytes before the items of a tuple."""
ARRAY_HEADER = object.__basicsize__
"""Bytes before the fields of an array: address of the data, number of dimensions, address of the shape."""
