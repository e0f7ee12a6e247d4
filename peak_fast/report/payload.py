"""The payload: what the report functions need of a backtest, as plain arrays and dicts.

A payload crosses a process border (the tracking writer renders from it), so it holds nothing of the engine.

======================  ==========================================================================
key                     content
======================  ==========================================================================
``time_us``             int64 array (n_bars,), microseconds since the epoch UTC, or ``None``
``equity``              float64 array (n_bars,)
``close``               float64 array (n_bars,), or ``None``: then no benchmark is drawn
``trades``              any form that ``trade_columns`` takes, or ``None``
``stats``               dict, as ``BacktestResult.stats``
``metadata``            dict, as ``BacktestResult.metadata``
``time_zone``           IANA name or ``None`` (optional)
``holdings``            what a portfolio held: records of bar, asset, units, weight (optional)
``symbols``             names of the assets whose numbers stand there (optional)
======================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from peak_fast.errors import ConfigError
from peak_fast.report.holdings import named_columns

Payload = dict[str, Any]


class Reported(Protocol):
    """What a report reads of a result; where they are there, also ``bars`` and ``metadata``."""

    @property
    def equity(self) -> Any:
        """Equity at each close, float64 array (n_bars,)."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """Statistics by name."""

    @property
    def trades(self) -> Any:
        """Trades in any form that ``trade_columns`` takes."""


def is_result(source: Any) -> bool:
    """Whether ``source`` looks like a ``BacktestResult``: it has equity, stats and trades."""
    return all(hasattr(source, name) for name in ("equity", "stats", "trades"))


def is_bars(source: Any) -> bool:
    """Whether ``source`` looks like ``Bars``: prices of one asset with their times."""
    return hasattr(source, "mark") and hasattr(source, "time_us")


def payload_of(source: Mapping[str, Any] | Reported) -> Payload:
    """The payload of a ``BacktestResult``; a payload passes through.

    Raises
    ------
    ConfigError
        Neither a result nor a mapping with an ``"equity"`` entry.
    """
    if isinstance(source, Mapping):
        if "equity" not in source:
            raise ConfigError(
                f"payload: expected a key 'equity', got {sorted(map(str, source))}; "
                "pass what payload_of(result) returns"
            )
        return dict(source)
    if not is_result(source):
        raise ConfigError(
            f"expected a BacktestResult or a payload dict, got {type(source).__name__}; "
            "pass what BacktestEngine.run returned"
        )
    payload = _of_portfolio(source) if hasattr(source, "recorded") else _of_one(source)
    values = source._course().values if hasattr(source, "_course") else payload["equity"]
    # What a unit of the account is worth, where money came or went.
    return payload if values is payload["equity"] else {**payload, "values": values}


def _of_one(source: Any) -> Payload:
    """The payload of a result of one asset."""
    bars = getattr(source, "bars", None)
    return {
        # Bars without timestamps carry made-up days: bar numbers say more.
        "time_us": getattr(bars, "time_us", None) if getattr(bars, "has_time", True) else None,
        "equity": source.equity,
        "close": getattr(bars, "close", None),
        "trades": source.trades,
        "stats": dict(source.stats),
        "metadata": dict(getattr(source, "metadata", None) or {}),
        "time_zone": getattr(bars, "time_zone", None),
    }


def _of_portfolio(source: Any) -> Payload:
    """The payload of a ``PortfolioResult``; its benchmark is what all assets held equally would be worth."""
    known = source.recorded()
    return {
        "time_us": known.bars.time_us if source.panel.has_time else None,
        "equity": known.equity,
        "close": known.bars.close,
        "trades": named_columns(known.trade_records, known.names),
        "stats": dict(known.stats),
        "metadata": dict(source.metadata),
        "time_zone": known.bars.time_zone,
        "holdings": known.holdings,
        "symbols": known.names["symbol"],
    }
