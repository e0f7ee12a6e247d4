"""Settings that reproduce the order rules of other engines, field by field.

Each function returns an `OrderRules`; what differs from this package's own defaults is said at the field.
"""

from __future__ import annotations

from typing import Any

from peak_fast.order_rules import OrderRules


def backtesting_py(
    *,
    commission: float = 0.0,
    fixed_commission: float = 0.0,
    spread: float = 0.0,
    margin: float = 1.0,
    trade_on_close: bool = False,
    hedging: bool = False,
    exclusive_orders: bool = False,
    finalize_trades: bool = False,
) -> OrderRules:
    """Rules of backtesting.py 0.6; use it with ``Asset(lot=1)`` (whole units).

    Parameters
    ----------
    commission, fixed_commission
        Rate and fixed part, charged on every opening and every closing leg of a trade.
    spread
        Fraction by which openings are worse.
    margin
        Initial margin; the leverage is its inverse.
    trade_on_close, hedging, exclusive_orders, finalize_trades
        As in that engine.
    """
    return OrderRules(
        # Market orders fill at the next open; with trade_on_close at the close of the bar before, booked now.
        market_fill="placing_close" if trade_on_close else "next_open",
        # Stop entries then start from that close, too; attached exits always from the open.
        close_stop_base=trade_on_close,
        # The first bar is never processed.
        first_bar=1,
        hedging=hedging,
        exclusive=exclusive_orders,
        # That engine removes orders and trades from the lists that it walks.
        alternate_removal=True,
        # Exits of a market order, and a target beyond its stop entry, can fire in the entry bar ...
        exits_active="after_market",
        # ... by a second pass over the whole queue.
        repeat_queue=True,
        # A stop-limit order whose limit lies on the near side of the stop waits: the limit came first.
        stop_limit="limit_first",
        spread=spread,
        fee_rate=commission,
        fee_fixed=fixed_commission,
        # Every lot that is closed or opened is a fill of its own with its own commission.
        merge_fills=False,
        # Cash holds realised results; positions are carried on margin.
        ledger="settled",
        afford="margin",
        # An opening that exceeds the free margin is cancelled whole; closing legs stay done.
        shortfall="reject",
        leverage=1.0 / margin,
        # Free margin is judged with the close of the bar that is being processed.
        margin_mark="close",
        # The cost of a unit counts the commission of the order's size as it was written.
        fee_as_ordered=True,
        # Equity of zero closes everything at the close; the run stops with equity 0.
        ruin=True,
        finalize="second_pass" if finalize_trades else "keep",
    )


def backtrader(
    *,
    commission: float = 0.0,
    per_contract: float = 0.0,
    leverage: float = 1.0,
    interest: float = 0.0,
    interest_long: bool = False,
    checksubmit: bool = True,
    coc: bool = False,
    coo: bool = False,
    shortcash: bool = True,
    slip_perc: float = 0.0,
    slip_fixed: float = 0.0,
    slip_open: bool = False,
    slip_limit: bool = True,
    slip_match: bool = True,
    slip_out: bool = False,
    filler: tuple[str, float, float] | None = None,
) -> OrderRules:
    """Rules of backtrader 1.9.78 (BackBroker); futures: ``Asset(margin=..., multiplier=...)``.

    Parameters
    ----------
    commission, per_contract
        Rate of the value (stocks) or money per contract (futures).
    leverage
        Opening a long takes value / leverage from the cash.
    interest, interest_long
        Yearly rate on the average price of shorts (and longs).
    checksubmit, coc, coo, shortcash, slip_perc, slip_fixed, slip_open, slip_limit, slip_match, slip_out
        As in that engine.
    filler
        ``("fixed", size, 0)``, ``("share", percent, 0)`` or ``("range", percent, smallest move)``.
    """
    past: Any = "free" if slip_out else "range"
    kind, amount, step = filler if filler is not None else ("any", 0.0, 0.0)
    volume: Any = kind
    return OrderRules(
        # Market orders fill at the next open; cheat-on-close: at the placing bar's close, booked on the next bar.
        market_fill="placing_close" if coc else "next_open",
        # Children work from the bar after their parent was filled completely.
        exits_active="next_bar",
        # Any member of a bracket that is cancelled takes the others with it.
        family_cancel=True,
        # A bar that closed beyond its open came back to its close after the trigger.
        stop_limit="close_direction",
        stop_stays_stop=True,
        # Trailing stops follow the close of each bar, after the test.
        trail_watermark="close",
        slippage="fraction" if slip_perc else ("absolute" if slip_fixed else "none"),
        slippage_amount=slip_perc or slip_fixed,
        slip_open=slip_open,
        # A limit order that fills at the open slips like any other fill at the open ...
        slip_limit=slip_open,
        # ... within its limit, if slip_limit or slip_match say so.
        slip_limit_cap=past if slip_match or slip_limit else "no_fill",
        slip_cap=past if slip_match else "no_fill",
        # A stop-limit order filled at its trigger is held by the bar's range only.
        slip_past_limit=True,
        # A sell limit that fills at the open is floored by its limit, not by the bar's low.
        sell_limit_floor=True,
        volume=volume,
        volume_amount=amount,
        volume_step=step,
        # Each order has the bar's volume for itself, in whole units.
        volume_shared=False,
        volume_whole=True,
        fee_rate=commission,
        fee_per_unit=per_contract,
        # Closing and opening part make one fill; one average price for the whole position.
        merge_fills=True,
        ledger="paid",
        # Openings need non-negative cash; short sales bring cash, so they are practically unlimited.
        afford="cash",
        shortfall="reject",
        leverage=leverage,
        margin_mark="close",
        check_submission=checksubmit,
        check_at_open=coo,
        short_proceeds=shortcash,
        borrow_short=interest,
        borrow_long=interest if interest_long else 0.0,
        interest_on_average=True,
    )
