"""Settings that reproduce the rules of other engines, field by field.

The functions named after an engine return its rules: `OrderRules`, or `SignalRules` for vectorbt, which trades
signals in the bar that gives them.  What differs from this package's own defaults is said at the field.
`peak_fast.orders.peak_trade.run_peak_trade` turns a series of signals into the orders of the two peak_trade presets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from peak_fast.guard import guarded
from peak_fast.settings.order_rules import OrderRules

if TYPE_CHECKING:
    from peak_fast.settings.signal_rules import SignalRules


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
        # One queue for all orders: a stop-loss at its front is tried before a market order, at any price of the bar.
        open_first=False,
        # A stop-limit order whose limit lies on the near side of the stop waits: the limit came first.
        stop_limit="limit_first",
        spread=spread,
        fee_rate=commission,
        fee_fixed=fixed_commission,
        # A negative rate is a rebate.
        fee_minimum=float("-inf"),
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
        ``("fixed", size, 0)``, ``("share", percent, 0)`` or ``("range", percent, smallest move)``.  A fixed size of
        infinity (that engine's ``FixedSize()``) leaves the bar's volume as the only limit.
    """
    past: Any = "free" if slip_out else "range"
    kind, amount, step = filler if filler is not None else ("any", 0.0, 0.0)
    # Rules take finite numbers only; no volume reaches the largest one.
    amount = min(amount, sys.float_info.max)
    volume: Any = kind
    return OrderRules(
        # Market orders fill at the next open; cheat-on-close: at the placing bar's close, booked on the next bar.
        market_fill="placing_close" if coc else "next_open",
        # Children work from the bar after their parent was filled completely.
        exits_active="next_bar",
        # One queue for all orders, in the sequence in which they were placed.
        open_first=False,
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
        # Each order has the bar's volume for itself; shares of it are whole units, volume itself need not be.
        volume_shared=False,
        volume_whole=kind != "fixed",
        fee_rate=commission,
        fee_per_unit=per_contract,
        # A negative rate is a rebate.
        fee_minimum=float("-inf"),
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
        short_absolute=True,
        borrow_short=interest,
        borrow_long=interest if interest_long else 0.0,
        interest_on_average=True,
        # Orders for a target value or share of the equity are in whole units, other orders in any size.
        target_step=1.0,
    )


def vectorbt(**rules: Any) -> SignalRules:
    """Rules of vectorbt 1.2 (`from_signals`, `from_orders`), for `simulate_signals` and `simulate_sizes`.

    Parameters
    ----------
    **rules
        Fields of `SignalRules`, whose names and defaults are that engine's: fills at the close of the bar that
        signals; stops from the next bar on, stop before target; buys cut to what can be paid; shorts
        without limit unless ``lock_cash``; an opposite entry reverses the position.
    """
    from peak_fast.settings.signal_rules import SignalRules

    return SignalRules(**rules)


def peak_trade_legacy(*, min_value: float = 0.0) -> OrderRules:
    """Rules of peak_trade's first engine; `run_peak_trade` makes its orders from signals.

    Parameters
    ----------
    min_value
        Smallest value of a position; a smaller one is refused.
    """
    return OrderRules(
        # Entries and exits fill at the close of the bar that signals.
        market_fill="same_close",
        # The stop is looked for from the next bar on ...
        exits_active="next_bar",
        # ... and fills at its own price even when the bar opens below it.
        stop_at_level=True,
        # Long only, one position at a time.
        shorting=False,
        only_flat=True,
        min_value=min_value,
        # Size is equity / price times a fraction: no room for a fee, which this engine does not know.
        size_for_fee=False,
        afford="any",
        # Equity changes when a trade is closed, by its result: that is the cash of a settled ledger.
        ledger="settled",
        merge_fills=False,
        # What is open at the end is closed at the last close.
        finalize="close",
    )


def peak_trade_pipeline(*, fee_rate: float = 0.0, slippage: float = 0.0) -> OrderRules:
    """Rules of peak_trade's execution pipeline; `run_peak_trade` makes its orders from signals.

    Parameters
    ----------
    fee_rate
        Fee of every fill as a fraction of its value.
    slippage
        Fraction by which every fill is worse than the close.
    """
    return OrderRules(
        # A change of the signal trades at the close of its bar, worse by the slippage.
        market_fill="same_close",
        slippage="fraction" if slippage else "none",
        slippage_amount=slippage,
        fee_rate=fee_rate,
        # A reversal closes, then opens: two fills, each with its fee.
        merge_fills=False,
        # Size is equity x max_position / close; the fee comes on top, and nothing is refused.
        size_for_fee=False,
        afford="any",
        # What is open at the end is closed at the last close.
        finalize="close",
    )


def preset_rules(name: str, changes: dict[str, Any]) -> Any:
    """Rules of a function of this file by its name, with some of them changed."""
    presets: dict[str, Callable[..., Any]] = {
        "vectorbt": vectorbt,
        "backtesting_py": backtesting_py,
        "backtrader": backtrader,
        "peak_trade_legacy": peak_trade_legacy,
        "peak_trade_pipeline": peak_trade_pipeline,
    }
    return guarded(presets[name])(**changes)
