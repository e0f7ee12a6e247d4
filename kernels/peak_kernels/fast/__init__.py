"""The fast path: decisions at closes, fills at opens, stops inside bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_kernels.fast.block import compile_block as compile_block
    from peak_kernels.fast.block import diagnose as diagnose
    from peak_kernels.fast.block import run_block as run_block
    from peak_kernels.fast.blocks import fold_blocks as fold_blocks
    from peak_kernels.fast.decided import decide as decide
    from peak_kernels.fast.dues import write_charge as write_charge
    from peak_kernels.fast.estimates import take_kelly as take_kelly
    from peak_kernels.fast.estimates import volatility_fraction as volatility_fraction
    from peak_kernels.fast.estimates import year_at as year_at
    from peak_kernels.fast.reduce import conclude as conclude
    from peak_kernels.fast.reduce import sink as sink
    from peak_kernels.fast.reduce import sunk as sunk
    from peak_kernels.fast.rules import count_trade as count_trade
    from peak_kernels.fast.rules import opening_size as opening_size
    from peak_kernels.fast.rules import opposite as opposite
    from peak_kernels.fast.simulation import next_priced as next_priced
    from peak_kernels.fast.simulation import run_configurations as run_configurations

__all__ = []

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "block": ("compile_block", "diagnose", "run_block"),
    "blocks": ("fold_blocks",),
    "decided": ("decide",),
    "dues": ("write_charge",),
    "estimates": ("take_kelly", "volatility_fraction", "year_at"),
    "reduce": ("conclude", "sink", "sunk"),
    "rules": ("count_trade", "opening_size", "opposite"),
    "simulation": ("next_priced", "run_configurations"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
