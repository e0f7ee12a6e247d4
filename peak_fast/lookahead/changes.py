"""Other values for a column: what a strategy is shown in place of the bars that it must not know.

Each change keeps the first bars and gives the later ones values that are possible but different.  Prices above zero
stay above zero.  ``"mirror"`` turns later rises into falls and the reverse; ``"rise"`` and ``"fall"`` move them far up
or down, by another amount at each bar; ``"wave"`` makes a wave of them, to which other parameters fit best; ``"calm"``
lets them nearly stand still.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peak_kernels.arrays import FloatArray, IntArray

KINDS = ("mirror", "rise", "fall", "wave", "calm")
JITTER = 1e-10
"""Relative size of a change that stands for rounding errors: far above that of sums of millions of values, far below
what a decision should hang on."""
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000
_WAVE_BARS, _WAVE_SIZES = 26.0, {"wave": 0.12, "calm": 1e-4}


def _steps(count: int) -> FloatArray:
    """Numbers between 1 and 2 without a pattern, the same in every run."""
    steps: FloatArray = 1.0 + np.modf(np.arange(1, count + 1) * 0.6180339887498949)[0]
    return steps


def _wave(count: int, kind: str) -> FloatArray:
    """A wave around 0."""
    wave: FloatArray = _WAVE_SIZES[kind] * np.sin(np.arange(1, count + 1) * (2.0 * np.pi / _WAVE_BARS))
    return wave


def price_change(path: FloatArray, first: int, kind: str) -> tuple[FloatArray, FloatArray]:
    """Factor and summand of every bar that make other prices of old ones: 1 and 0 before ``first``.

    Parameters
    ----------
    path
        float64[..., n]: closes, carried forward over bars without a price.
    """
    factor, summand = np.ones(path.shape), np.zeros(path.shape)
    later = path[..., first:]
    steps = 0.5 * _steps(later.shape[-1])
    known = path[..., first - 1 : first] if first else path[..., :1]
    known = np.where(np.isfinite(known), known, np.where(np.isfinite(later[..., :1]), later[..., :1], 1.0))
    positive = not bool((path <= 0.0).any())
    if kind == "mirror" and positive:
        factor[..., first:] = np.where(np.isfinite(later), (known / later) ** 2, 1.0)
    elif kind in _WAVE_SIZES and positive:
        factor[..., first:] = np.where(
            np.isfinite(later), known / later * np.exp(_wave(steps.size, kind)), 1.0
        )
    elif kind in ("mirror", "calm"):
        twice = 2.0 if kind == "mirror" else 1.0
        summand[..., first:] = np.where(np.isfinite(later), twice * (known - later), 0.0)
    elif positive:
        factor[..., first:] = 1.0 + steps if kind == "rise" else 1.0 / (1.0 + steps)
    else:
        wide = float(np.nanmax(np.abs(path), initial=0.0)) or 1.0
        summand[..., first:] = wide * steps * (1.0 if kind == "rise" else -1.0)
    return factor, summand


def other_values(old: Any, first: int, kind: str) -> Any:
    """Values of a column of any kind with others from ``first`` on along the last axis.

    Numbers are mirrored or moved; whole numbers keep to the values that there are, because they may be codes; what is
    no number comes in reverse order.
    """
    made, later = old.copy(), old[..., first:]
    if old.dtype.kind == "b":
        made[..., first:] = ~later
    elif old.dtype.kind != "f" or not np.isfinite(later).any():
        made[..., first:] = later[..., ::-1]
    else:
        made[..., first:] = _other_numbers(old, later, kind)
    return made


def _other_numbers(old: FloatArray, later: FloatArray, kind: str) -> FloatArray:
    known = old[np.isfinite(old)]
    low, high = float(known.min()), float(known.max())
    coded = bool((known == np.round(known)).all())
    if kind == "mirror" or (coded and kind == "fall"):
        return (low + high) - later
    if coded and low != high:
        return np.where(np.isfinite(later), later[..., ::-1], later)
    wide = (high - low) or abs(high) or 1.0
    if kind in _WAVE_SIZES:
        return np.where(np.isfinite(later), low + wide * (0.5 + _wave(later.shape[-1], kind)), later)
    return later + wide * _steps(later.shape[-1]) * (1.0 if kind == "rise" else -1.0)


def jittered(old: FloatArray, sign: float) -> FloatArray:
    """Values that differ from the old ones as if by rounding."""
    signs = np.where(np.modf(np.arange(old.shape[-1]) * 0.7548776662466927)[0] < 0.5, -1.0, 1.0)
    made: FloatArray = old * (1.0 + sign * JITTER * _steps(old.shape[-1]) * signs)
    return made


def time_moves(time_us: IntArray, first: int, kind: str) -> IntArray:
    """By how much the later times move, int64[n], microseconds.

    ``"later"``: by 400 days, so that the next bar is in another day, week, month and year.  ``"close"``: each follows
    the one before by a second, so that it is in the same day.
    """
    moves = np.zeros(time_us.size, dtype=np.int64)
    if kind == "later":
        moves[first:] = 400 * _DAY_US
    elif first:
        count = time_us.size - first
        moves[first:] = time_us[first - 1] + np.arange(1, count + 1) * _SECOND_US - time_us[first:]
    return moves
