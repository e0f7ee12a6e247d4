"""Types and units that all settings share."""

from __future__ import annotations

from typing import Annotated, Any

from peak_fast.settings.fields import Limits as Limits
from peak_fast.settings.frozen import Settings as Settings

BASIS_POINTS = 10_000.0


Fraction = Annotated[float, Limits(gt=0, le=1, allow_inf_nan=False)]


NonNegative = Annotated[float, Limits(ge=0, allow_inf_nan=False)]


Positive = Annotated[float, Limits(gt=0, allow_inf_nan=False)]


def _preset(name: str, changes: dict[str, Any]) -> Any:
    """Rules of another engine, with some of them changed; whoever asks for none does not load them."""
    from peak_fast.settings.presets import preset_rules

    return preset_rules(name, changes)
