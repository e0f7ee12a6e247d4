"""Which batch runs the configurations of a strategy: that of the fast path, or the one through the order book."""

from __future__ import annotations

from typing import Any

from peak_fast.data import is_panel
from peak_fast.settings import EngineSettings
from peak_fast.strategies import OrderBlock
from peak_fast.sweep.run.batch import Batch


def make_batch(shared: EngineSettings, strategy: Any, *args: Any, **options: Any) -> Batch:
    """A `Batch` of the fast path, one through the order book, or one of portfolios."""
    if args and is_panel(args[0]):
        from peak_fast.sweep.run.portfolio import PortfolioBatch

        return PortfolioBatch(shared, strategy, *args, **options)  # type: ignore[return-value]
    if shared.order_book is None and not isinstance(strategy, OrderBlock):
        return Batch(shared, strategy, *args, **options)
    from peak_fast.sweep.run.book import BookBatch

    return BookBatch(shared, strategy, *args, **options)
