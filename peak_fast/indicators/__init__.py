"""Indicators: functions of arrays and series, and the rows that rules and blocks name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.indicators.functions import (
        Aroon,
        Bands,
        Directional,
        DirectionalMovement,
        Macd,
        Stochastic,
        adx,
        adxr,
        aroon,
        atr,
        bollinger,
        cci,
        correl,
        dema,
        directional,
        directional_movement,
        donchian,
        ema,
        highest,
        kama,
        linear_regression,
        linear_regression_slope,
        lowest,
        macd,
        macdfix,
        mfi,
        momentum,
        natr,
        obv,
        roc,
        rsi,
        sar,
        sma,
        std,
        stoch,
        stochf,
        tema,
        trima,
        trix,
        true_range,
        var,
        willr,
        wma,
    )
    from peak_fast.indicators.rows import BLOCK as BLOCK
    from peak_fast.indicators.rows import BlockRows as BlockRows
    from peak_fast.indicators.rows import Key as Key
    from peak_fast.indicators.rows import check_kind as check_kind
    from peak_fast.indicators.rows import compute_group as compute_group
    from peak_fast.indicators.rows import groups_of as groups_of
    from peak_fast.indicators.rows import plane_of as plane_of
    from peak_fast.indicators.rows import rows_of as rows_of
    from peak_fast.indicators.rows import stride_of as stride_of

__all__ = [
    "Aroon",
    "Bands",
    "Directional",
    "DirectionalMovement",
    "Macd",
    "Stochastic",
    "adx",
    "adxr",
    "aroon",
    "atr",
    "bollinger",
    "cci",
    "correl",
    "dema",
    "directional",
    "directional_movement",
    "donchian",
    "ema",
    "highest",
    "kama",
    "linear_regression",
    "linear_regression_slope",
    "lowest",
    "macd",
    "macdfix",
    "mfi",
    "momentum",
    "natr",
    "obv",
    "roc",
    "rsi",
    "sar",
    "sma",
    "std",
    "stoch",
    "stochf",
    "tema",
    "trima",
    "trix",
    "true_range",
    "var",
    "willr",
    "wma",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "rows": (
        "BLOCK",
        "BlockRows",
        "Key",
        "check_kind",
        "compute_group",
        "groups_of",
        "plane_of",
        "rows_of",
        "stride_of",
    ),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__, further=("functions",))
