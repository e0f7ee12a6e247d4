"""Codes and record types of results, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from peak_kernels import slots as t

if TYPE_CHECKING:
    pass


TRADE_DTYPE = np.dtype(
    [
        ("side", np.int8),
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("size", np.float64),
        ("fees", np.float64),
        ("slippage", np.float64),
        ("financing", np.float64),
        ("gross_pnl", np.float64),
        ("net_pnl", np.float64),
        ("return", np.float64),
        ("mae", np.float64),
        ("mfe", np.float64),
        ("exit_reason", np.int8),
    ]
)


# What an order is; behind the engine's kinds those of orders that a block placed, and those of financing.
KINDS = (*t.KINDS, *t.OF_BLOCKS, *t.OF_DUES)


ORDER, CLOSE, CHILD = range(len(t.KINDS), len(t.KINDS) + len(t.OF_BLOCKS))


TAG = t.RECORD_WIDTH
"""Column behind all others in the records of a block that places orders: the tag, -1 where there is none."""
