"""What the views of a portfolio's result read of it: the result itself knows the views, not the other way round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Panel


NO_CHARGES: FloatArray = np.empty((0, len(p.CHARGE_COLUMNS)))
# Orders, trades and events without room, of which the kernel makes only the counts.
NO_RECORDS: tuple[FloatArray, FloatArray, FloatArray] = (
    np.empty((0, len(p.ORDER_COLUMNS))),
    np.empty((0, len(p.TRADE_COLUMNS))),
    np.empty((0, len(p.EVENT_COLUMNS))),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Arrays of one finished run; columns are those of `peak_kernels.portfolio_slots`.

    Attributes
    ----------
    metrics, equity, state
        float64[27] in the order of the catalog, float64[bar], the account at the end.
    cells
        float64[KEPT_CELLS, asset]: the assets' numbers at the end.
    orders, trades, events
        Records; closed trades only.
    charges, cash
        Payments of financing, and the cash at each bar where there is any.
    fills
        Of orders that may have several fills, float64[fill, FILL_COLUMNS]; the rows of ``orders`` then have the number
        of their tag (-1: none) behind the columns.  None: each order is one fill at most, in its own row.
    """

    metrics: FloatArray
    equity: FloatArray
    state: FloatArray
    cells: FloatArray
    orders: FloatArray
    trades: FloatArray
    events: FloatArray
    charges: FloatArray = field(default_factory=lambda: NO_CHARGES)
    cash: FloatArray | None = None
    fills: FloatArray | None = None


class PortfolioParts(Protocol):
    """Parts of a finished run; `PortfolioResult` has them all.

    Attributes
    ----------
    panel, strategy_name, params, symbol
        What ran on what.
    """

    panel: Panel
    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _outcome: Outcome
    _settings: FloatArray
    """Flat settings of the run."""
    _used: dict[str, Any]
    """Settings as the metadata name them."""
    _strategy: Any
    _identity: dict[str, Any]

    @property
    def equity(self) -> FloatArray:
        """Equity at each bar."""

    @property
    def positions_at_fills(self) -> tuple[IntArray, FloatArray]:
        """Bars with fills, and the units of all assets behind them."""

    @property
    def exposures(self) -> FloatArray:
        """Values held at each close."""

    @property
    def stats(self) -> dict[str, Any]:
        """Statistics by name."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Settings, strategy, data and code identity."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood or passed over, a sentence each."""

    @property
    def hash(self) -> str:
        """Identity of the numbers."""
