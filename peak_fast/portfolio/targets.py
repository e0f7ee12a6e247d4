"""Target weights as the simulation takes them: rows of fractions of the equity, decided at the closes of bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peak_fast.columns import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class TargetWeights:
    """What a portfolio is to hold, from the fill of one row to that of the next.

    Attributes
    ----------
    rows
        int64[k]: numbers of the deciding bars, ascending, each once.
    weights
        float64[k, asset], C-contiguous: fractions of the equity, negative for shorts; NaN leaves an asset alone.
    notes
        What was understood or passed over on the way, a sentence each.
    identity
        What the weights came from, as plain values for the result's metadata.
    """

    rows: IntArray
    weights: FloatArray
    notes: tuple[str, ...] = ()
    identity: dict[str, Any] = field(default_factory=dict)
