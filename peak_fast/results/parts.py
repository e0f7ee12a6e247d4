"""What the views of a result read of it: the result itself knows the views, not the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.data import Bars
    from peak_fast.simulation import Outcome


class RunParts(Protocol):
    """Parts of a finished run; `BacktestResult` has them all.

    Attributes
    ----------
    bars, strategy_name, params, symbol
        What ran on what.
    """

    bars: Bars
    strategy_name: str
    params: dict[str, Any]
    symbol: str
    _outcome: Outcome
    _settings: FloatArray
    """Flat settings of the run."""
    _used: dict[str, Any]
    """Settings as the metadata name them."""
    _strategy: Any

    @property
    def stats(self) -> dict[str, Any]:
        """Statistics by name."""

    @property
    def trade_records(self) -> Any:
        """Trades as a structured array."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood or passed over, a sentence each."""

    @property
    def hash(self) -> str:
        """Identity of the numbers."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Settings, strategy, data and code identity."""
