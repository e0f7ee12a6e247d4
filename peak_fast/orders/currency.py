"""Rates of exchange of assets that are quoted in another currency than the account's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.data import aligned
from peak_fast.errors import ConfigError, DataError
from peak_kernels.arrays import FloatArray

if TYPE_CHECKING:
    from peak_fast.data import Calendar
    from peak_fast.settings import Asset


def exchange_rates(
    assets: Sequence[Asset],
    names: Sequence[str],
    currency: str,
    rates: Mapping[str, Any] | None,
    ledger: str,
    calendar: Calendar,
    notes: list[str],
) -> FloatArray:
    """Account money for one unit of each asset's quote currency, ``[asset, bar]``.

    Parameters
    ----------
    assets, names
        The assets and what to call them in errors.
    currency
        Currency of the account.
    rates
        By quote currency: a number, or one for each bar, where NaN repeats the last rate; with times, those of the
        bars.
    ledger
        `OrderRules.ledger`.
    calendar, notes
        As for `peak_fast.data.alignment.aligned`.

    Returns
    -------
    numpy.ndarray
        ``(0, 0)`` when every asset is quoted in the account's currency.  A row of NaN stands for one over the
        asset's price: its base currency is the account's.

    Raises
    ------
    ConfigError
        A rate is missing, or the account's currency; a pair of the account's own currency on a paid ledger.
    DataError
        A rate is not positive, has another length than the bars, or is unknown at the first of them.
    """
    if not isinstance(currency, str):
        raise ConfigError(f"currency: expected the name of the account's currency; got {currency!r}")
    if rates is not None and not isinstance(rates, Mapping):
        raise ConfigError(
            f"rates: expected a dict of quote currency to rate, such as {{'JPY': 0.0067}}; got {type(rates).__name__}"
        )
    foreign = [asset.quote not in ("", currency) for asset in assets]
    if not any(foreign):
        if rates:
            raise ConfigError(
                "rates: no asset is quoted in another currency than the account; expected Asset(quote=...) to say which"
            )
        return np.empty((0, 0))
    table = np.ones((len(assets), calendar.bars))
    columns: dict[str, FloatArray] = {}
    for row, (asset, name) in enumerate(zip(assets, names, strict=True)):
        if not foreign[row]:
            continue
        if not currency:
            raise ConfigError(
                f"currency: asset {name!r} is quoted in {asset.quote}; expected the currency of the account, such as "
                "currency='USD'"
            )
        if rates is not None and asset.quote in rates:
            if asset.quote not in columns:
                what = f"rates[{asset.quote!r}]"
                given = aligned(rates[asset.quote], calendar, what, notes, levels=True)
                columns[asset.quote] = _column(what, given, calendar.bars)
            table[row] = columns[asset.quote]
        else:
            _check_pair(asset, name, currency, rates, ledger)
            table[row] = np.nan
    return table


def _check_pair(asset: Asset, name: str, currency: str, rates: Mapping[str, Any] | None, ledger: str) -> None:
    """An asset without a rate has to be a pair whose own price is the rate."""
    if asset.base != currency:
        known = ", ".join(sorted(rates)) if rates else "none"
        raise ConfigError(
            f"rates: asset {name!r} is quoted in {asset.quote}, the account is in {currency}; expected "
            f"rates={{{asset.quote!r}: {currency} for one {asset.quote}}} (or base={currency!r} for a pair of both); "
            f"got rates for: {known}"
        )
    if ledger == "paid" and asset.margin == 0.0:
        raise ConfigError(
            f"ledger: with 'paid', buying {name!r} would exchange {currency} into {currency}; expected "
            "OrderRules(ledger='settled', merge_fills=False), where results alone are exchanged"
        )


def _column(what: str, given: Any, bars: int) -> FloatArray:
    """One rate for each bar."""
    try:
        # A truth value is no rate.
        values = np.asarray("x" if np.asarray(given).dtype.kind == "b" else given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what}: expected a number, or one for each bar; got {given!r}") from None
    if values.shape not in ((), (bars,)):
        raise DataError(
            f"{what} has the shape {values.shape}; expected a number, or ({bars},) for these bars"
        )
    values = np.array(np.broadcast_to(values, (bars,)))
    known = ~np.isnan(values)
    if not known[:1].all():
        raise DataError(
            f"{what} is unknown (NaN) at the first bar; expected a rate there, or bars from a later date"
        )
    if not ((values[known] > 0.0) & np.isfinite(values[known])).all():
        bad = int(np.flatnonzero(known & ~((values > 0.0) & np.isfinite(values)))[0])
        raise DataError(f"{what} is {values[bad]} at bar {bad}; expected a number > 0")
    filled = np.maximum.accumulate(np.where(known, np.arange(bars), 0))
    return np.ascontiguousarray(values[filled])
