"""Random numbers that depend on a seed and a number alone, so that worlds may be made in any order on any thread.

The generator is SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA): a
counter that goes up by an odd constant, and a function that mixes its bits.  Each world starts at a place of its own,
the mixed seed and number.  Numbers below a bound are unbiased (Lemire 2019, "Fast random integer generation in an
interval", ACM TOMACS 29).

Reads a state of one uint64; writes the state that follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.compiling import jit

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31, _S32 = (np.uint64(k) for k in (11, 27, 30, 31, 32))
_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_FRACTION = 2.0**-53


@jit(inline=True)
def mixed(state: Any) -> Any:
    """64 bits of a state, as if by chance."""
    bits = (state ^ (state >> _S30)) * _FIRST
    bits = (bits ^ (bits >> _S27)) * _SECOND
    return bits ^ (bits >> _S31)


@jit(inline=True)
def begin(seed: int, number: int) -> Any:
    """State before the first number of a world."""
    return mixed(mixed(np.uint64(seed) + _STEP) ^ ((np.uint64(number) + _ONE) * _STEP))


@jit(inline=True)
def after(state: Any) -> Any:
    """The state that follows; `mixed` of it are the next 64 bits."""
    return state + _STEP


@jit(inline=True)
def fraction(bits: Any) -> float:
    """A number of [0, 1) out of 64 bits."""
    return float(bits >> _S11) * _FRACTION


@jit(inline=True)
def below(state: Any, bound: int) -> tuple[Any, Any]:
    """``(state, whole number of [0, bound))``, each as likely as another; ``bound`` is below 2**32."""
    limit = np.uint64(bound)
    state = after(state)
    product = (mixed(state) >> _S32) * limit
    if (product & _LOW) < limit:
        least = ((_LOW + _ONE) - limit) % limit
        while (product & _LOW) < least:
            state = after(state)
            product = (mixed(state) >> _S32) * limit
    return state, np.int64(product >> _S32)
