"""Weights of a compiled block that is asked at every close about all assets, with the account of that close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.portfolio.parts import NO_CHARGES, NO_RECORDS
from peak_fast.portfolio.setup import Setup
from peak_fast.portfolio.targets import TargetWeights, checked
from peak_fast.simulation import NO_DUES, cells_of, numbers
from peak_fast.strategies import PanelBlock, check_indices, compile_error, is_debug, is_outside, outside_error
from peak_kernels import portfolio_slots as p
from peak_kernels import slots as t

if TYPE_CHECKING:
    from peak_fast.data import Panel


def decided(panel: Panel, setup: Setup, block: PanelBlock, values: Mapping[str, Any]) -> TargetWeights:
    """Rows of weights that a block gives on a panel: one for each close at which it wants anything.

    Raises
    ------
    ConfigError
        A setting under which the block would not see the account that its weights make.
    StrategyError
        The block cannot be compiled, or reads outside its arrays.
    DataError
        It wants an infinite weight.
    """
    _refuse(setup, block)
    params = numbers(block, {name: [value] for name, value in values.items()}, 1)[0]
    check_indices(block, params.size, panel.n_assets)
    rows, weights = _asked(panel, setup, block, params)
    identity = {"rule": "block", "name": block.name, "source": block.fingerprint()}
    return checked(panel, TargetWeights(rows, weights, (), identity))


def _refuse(setup: Setup, block: PanelBlock) -> None:
    """Refuse settings that make other trades of the weights than those that the block has seen."""
    if setup.portfolio.rebalance != "rows":
        raise ConfigError(
            f'PortfolioRules.rebalance: expected "rows" for the block {block.name!r}, which says itself when it '
            f"wants what; got {setup.portfolio.rebalance!r}; leave want as it is (NaN) where nothing is to be traded"
        )


def _asked(panel: Panel, setup: Setup, block: PanelBlock, params: Any) -> tuple[Any, Any]:
    """Deciding bars and weights."""
    from peak_kernels.order_entries import decide_panel

    bars, assets = len(panel), panel.n_assets
    memory, account = np.zeros(cells_of(block)), np.zeros(p.SEEN_UNITS + assets)
    rows, weights = np.empty(bars, dtype=np.int64), np.empty((bars, assets))
    curve = np.empty((p.N_CURVES if setup.dues is not NO_DUES else 1, bars))
    try:
        scratch, records = _room(setup, assets)
        count = decide_panel(
            _compiled(block).address, panel.prices, setup.spans, setup.settings, setup.rules, setup.terms,
            setup.days, *scratch, *records, params, memory, account, rows, weights,
            *setup.dues.arrays(NO_CHARGES, np.empty(p.N_SUMS)), curve,
        )  # fmt: skip
    except IndexError as error:
        if not is_outside(block, error):
            raise
        raise outside_error(block, error, panel.prices, params, memory, account) from error
    return rows[:count].copy(), weights[:count].copy()


def _room(setup: Setup, assets: int) -> tuple[Any, Any]:
    """Memory of the account, and records without room, of which only the counts are made."""
    lists = np.empty((p.N_LISTS, assets), dtype=np.int64)
    lists[: p.N_GIVEN_LISTS] = setup.lists
    scratch = (
        np.empty(t.N_STATE),
        np.empty((assets, p.N_CELLS)),
        lists,
        np.empty(p.N_COUNTS, dtype=np.int64),
    )
    return scratch, NO_RECORDS


def _compiled(block: PanelBlock) -> Any:
    """Machine code of the block, made once.

    Raises
    ------
    StrategyError
        The function cannot be compiled.
    """
    is_checked = is_debug(block)
    key = "checked" if is_checked else "function"
    if key not in block.compiled and not is_checked:
        from peak_kernels.compiling import load_guest

        kept = load_guest("panel", block.function)
        if kept is not None:
            block.compiled[key] = kept
    if key not in block.compiled:
        from peak_kernels.portfolio import compile_panel_block

        try:
            block.compiled[key] = compile_panel_block(block.function, checked=is_checked)
        except Exception as error:  # numba has no common class for what it cannot compile
            raise compile_error(block, error) from error
    return block.compiled[key]
