"""Runs of the engine through the order book: decisions of any strategy, and blocks that place orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from peak_fast.errors import ConfigError
from peak_fast.orders import (
    OrderResult,
    block_inputs,
    block_rules,
    book_rules,
    decided,
    decision_inputs,
    finished,
    target_inputs,
)
from peak_fast.settings import FractionOfEquity, Stops
from peak_fast.strategies import Block, OrderBlock
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Bars
    from peak_fast.orders import Inputs
    from peak_fast.settings import EngineSettings, OrderBook, OrderRules
    from peak_fast.simulation import Decisions, Outcome


class BookRun(NamedTuple):
    """A finished run."""

    outcome: Outcome
    flat: FloatArray
    """Flat settings that the outcome was made with."""
    orders: OrderResult
    notes: tuple[str, ...]
    """What was understood or passed over besides the notes of the bars."""


def _finished(run: Inputs, bars: Bars, flat: FloatArray, stops: Stops | None) -> BookRun:
    """Run the inputs; ``stops`` are those of decisions, None: a block placed the orders."""
    orders = OrderResult(run, run.repeat(run.rules))
    return BookRun(finished(run, orders.records, flat, stops), flat, orders, orders.notes[len(bars.notes) :])


def run_book(
    book: OrderBook,
    bars: Bars,
    decisions: tuple[IntArray, FloatArray],
    flat: FloatArray,
    rules: OrderRules,
    stops: Stops,
) -> BookRun:
    """Run decisions through the order book; the arguments are those of `decision_inputs`."""
    run, settled = decision_inputs(book, bars, decisions, flat, rules, stops)
    return _finished(run, bars, settled, stops)


def run_decisions(settings: EngineSettings, bars: Bars, decisions: Decisions, flat: FloatArray) -> BookRun:
    """Run what a strategy decided through the order book of the settings.

    ``flat`` are `EngineSettings.vector`, which the result keeps.

    Raises
    ------
    ConfigError
        Settings that contradict each other.
    """
    book, stops = settings.order_book, settings.stops
    assert book is not None
    rules = book_rules(book, settings.execution, settings.costs, stops, settings.risk_limits)
    run = run_book(book, bars, decided(bars, decisions, flat), flat, rules, stops)
    return run._replace(flat=flat)


def run_block(
    settings: EngineSettings,
    bars: Bars,
    block: Block | OrderBlock,
    params: dict[str, Any],
    *,
    weights: bool,
) -> BookRun:
    """Run a block through the order book of the settings; ``params`` are all of its parameters.

    Raises
    ------
    ConfigError
        Settings that mean nothing to a block that places orders, or that contradict each other.
    """
    book, given, limits = settings.order_book, (settings.execution, settings.costs), settings.risk_limits
    assert book is not None
    flat = settings.vector(bars, weights=weights, sized=isinstance(block, Block))
    if isinstance(block, Block):
        stops = settings.stops
        rules = book_rules(book, *given, stops, limits)
        run, flat = target_inputs(book, bars, block, params, flat, rules, stops)
        return _finished(run, bars, flat, stops)
    check_block_settings(settings)
    run, flat = block_inputs(book, bars, block, params, flat, block_rules(book, *given, limits))
    return _finished(run, bars, flat, None)


def check_block_settings(settings: EngineSettings) -> None:
    """Refuse what a block that places orders would silently ignore.

    Raises
    ------
    ConfigError
        Stops, a size or a largest position is set.
    """
    for name, value, plain, remedy in (
        ("stops", settings.stops, Stops(), "give each order its stop_loss and take_profit"),
        ("sizing", settings.sizing, FractionOfEquity(), "give each order its size and unit"),
        ("risk_limits.max_position", settings.risk_limits.max_position, None, "order smaller sizes"),
    ):
        if value != plain:
            raise ConfigError(
                f"{name}: expected the default with a block that places orders, because it says nothing to them; "
                f"got {value!r}; {remedy} in the block"
            )
