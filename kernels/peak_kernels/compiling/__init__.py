"""How kernels are compiled, cached and loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.compiling.addresses import by_address as by_address
    from peak_kernels.compiling.cache import cache_dir as cache_dir
    from peak_kernels.compiling.cache import cache_problem as cache_problem
    from peak_kernels.compiling.cache import is_own as is_own
    from peak_kernels.compiling.cache import source_stamp as source_stamp
    from peak_kernels.compiling.guests import NOTED as NOTED
    from peak_kernels.compiling.guests import OPTIONS as OPTIONS
    from peak_kernels.compiling.guests import around as around
    from peak_kernels.compiling.guests import compile_checked as compile_checked
    from peak_kernels.compiling.guests import compile_guest as compile_guest
    from peak_kernels.compiling.guests import copied as copied
    from peak_kernels.compiling.guests import note_orders as note_orders
    from peak_kernels.compiling.layout import ARRAY_HEADER as ARRAY_HEADER
    from peak_kernels.compiling.layout import TUPLE_HEADER as TUPLE_HEADER
    from peak_kernels.compiling.lazily import Later as Later
    from peak_kernels.compiling.lazily import later as later
    from peak_kernels.compiling.levels import level as level
    from peak_kernels.compiling.levels import why_not as why_not
    from peak_kernels.compiling.objects import Entry as Entry
    from peak_kernels.compiling.options import allocating as allocating
    from peak_kernels.compiling.options import jit as jit
    from peak_kernels.compiling.options import part as part
    from peak_kernels.compiling.visitors import Guest as Guest
    from peak_kernels.compiling.visitors import known_of as known_of
    from peak_kernels.compiling.visitors import load_guest as load_guest

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "addresses": ("by_address",),
    "cache": ("cache_dir", "cache_problem", "is_own", "source_stamp"),
    "guests": ("NOTED", "OPTIONS", "around", "compile_checked", "compile_guest", "copied", "note_orders"),
    "layout": ("ARRAY_HEADER", "TUPLE_HEADER"),
    "lazily": ("Later", "later"),
    "levels": ("level", "why_not"),
    "objects": ("Entry",),
    "options": ("allocating", "jit", "part"),
    "visitors": ("Guest", "known_of", "load_guest"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
