"""How a strategy is written, and how it is found by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.strategies.base import source_hash as source_hash
    from peak_fast.strategies.block_checks import check_indices as check_indices
    from peak_fast.strategies.block_checks import compile_error as compile_error
    from peak_fast.strategies.block_checks import is_debug as is_debug
    from peak_fast.strategies.block_checks import is_outside as is_outside
    from peak_fast.strategies.block_checks import outside_error as outside_error
    from peak_fast.strategies.blocks import Block, OrderBlock
    from peak_fast.strategies.blocks import PanelBlock as PanelBlock
    from peak_fast.strategies.builtin import NAMES as NAMES
    from peak_fast.strategies.conditions import Above, AtLeast, Row
    from peak_fast.strategies.functions import SignalStrategy
    from peak_fast.strategies.registry import Strategy, complete_params, register, resolve, strategy
    from peak_fast.strategies.registry import names as names
    from peak_fast.strategies.registry import params_of as params_of
    from peak_fast.strategies.rules import RuleStrategy

__all__ = [
    "Above",
    "AtLeast",
    "Block",
    "OrderBlock",
    "Row",
    "RuleStrategy",
    "SignalStrategy",
    "Strategy",
    "complete_params",
    "register",
    "resolve",
    "strategy",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "base": ("source_hash",),
    "builtin": ("NAMES",),
    "block_checks": ("check_indices", "compile_error", "is_debug", "is_outside", "outside_error"),
    "blocks": ("Block", "OrderBlock", "PanelBlock"),
    "conditions": ("Above", "AtLeast", "Row"),
    "functions": ("SignalStrategy",),
    "registry": ("Strategy", "complete_params", "names", "params_of", "register", "resolve", "strategy"),
    "rules": ("RuleStrategy",),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
