"""Indicators over contiguous arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.indicators.rolling import max_into as max_into
    from peak_kernels.indicators.rolling import mean_into as mean_into
    from peak_kernels.indicators.rolling import mean_variance_into as mean_variance_into
    from peak_kernels.indicators.rolling import min_into as min_into
    from peak_kernels.indicators.rolling import pack as pack
    from peak_kernels.indicators.rolling import put_back as put_back
    from peak_kernels.indicators.usual import ema_into as ema_into
    from peak_kernels.indicators.usual import macd_into as macd_into
    from peak_kernels.indicators.usual import roc_into as roc_into
    from peak_kernels.indicators.usual import roots as roots
    from peak_kernels.indicators.usual import rsi_into as rsi_into

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "rolling": ("max_into", "mean_into", "mean_variance_into", "min_into", "pack", "put_back"),
    "usual": ("ema_into", "highest", "lowest", "macd_into", "roc_into", "roots", "rsi_into", "sma"),
}

__getattr__, __dir__ = door(
    __name__, _HOMES, __all__, further=("usual", "averages", "oscillators", "trend", "rolling")
)
