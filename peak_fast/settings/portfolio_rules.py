"""Rules of portfolios: one named setting for every question on which engines differ when many assets share a purse.

>>> PortfolioRules(short_cash="cut_last").sequence
'by_weight'
>>> PortfolioRules.vectorbt().short_cash
'cut_last'

What each does is said in docs/portfolio_semantics.md; the fields that are None follow `Execution`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.settings.base import Fraction, Limits, NonNegative, Positive
from peak_fast.settings.fields import Slot, fresh
from peak_fast.settings.frozen import Settings, put_fields
from peak_fast.settings.trading import Costs
from peak_kernels import portfolio_slots as p

FillAt = Literal["next_open", "close", "next_close"]
SizeAt = Literal["fill", "reference", "decision"]
ShortCash = Literal["scale", "cut_last", "priority", "reject", "ignore"]
Sequence = Literal["smallest_first", "largest_first", "by_weight", "by_symbol"]
FeeFrom = Literal["cash", "amount", "position"]
RoundLots = Literal["order", "target", "down"]


class PortfolioRules(Settings):
    """How target weights of many assets become trades of one account.

    Parameters
    ----------
    fill_at
        ``"next_open"``; ``"close"``, the close that decided; ``"next_close"``.  None: `Execution.fill_at`.
    size_at
        Price that turns a weight into units: ``"fill"``, the price of the fill with its slippage; ``"reference"``, the
        same before slippage; ``"decision"``, the close before the fill.
    mark_at
        Equity is shown at ``"close"`` or ``"open"`` (for fills at opens).
    rebalance
        When weights trade: at every row that is given (``"rows"``), at rows that differ from the one before by more
        than 1e-10 (``"changes"``), or at every bar from the first row on (``"bars"``).
    short_cash
        When what spends money costs more than there is: ``"scale"``: all of it shrinks by one factor;
        ``"cut_last"``: served in ``sequence``, the one that does not fit is cut, those behind it get nothing;
        ``"priority"``: the same, the largest weights first; ``"reject"``: one that does not fit is refused whole;
        ``"ignore"``: nobody looks, and the cash may end below zero.
    sequence
        ``"smallest_first"`` or ``"largest_first"`` change of value, ``"by_weight"`` (largest first) or
        ``"by_symbol"``.  Symbols decide between equals.
    fee_from
        ``"cash"``: on top, out of the cash; ``"amount"``: value and fee of a purchase, and value less fee of a sale,
        are the change that was wanted; ``"position"``: so for purchases, and sales are worth it.
    lot_size, min_size, leverage
        None: those of `Execution`.
    round_lots
        What whole lots are of: the ``"order"``; the ``"target"`` position; ``"down"``: the order's signed size, so that
        sales round up.
    buying_power
        ``"equity"``: everything that opens or adds, shorts too, needs ``leverage * equity`` less the value of what is
        held; ``"cash"``: purchases need cash, sales need nothing, and what a short brings is cash.
    shorts
        ``"allowed"``, or ``"refused"``: weights below zero close what is held and open nothing.
    missing
        An order whose asset has no price at the fill ``"wait"``s for the next one, until a row says something else, or
        is ``"drop"``ped.
    delisted
        A holding whose prices have ended is closed at its ``"last_price"``, at ``"zero"``, at a share of its last price
        (0.4), or stays in the account at its last price (``"hold"``).
    over_invested
        Rows whose weights need more than ``leverage`` are errors (``"refused"``), or are traded as far as money goes.
    costs
        Costs of single assets, by symbol, in place of the engine's.
    cash_buffer
        Share of the equity that weights leave out.
    min_trade
        Smallest value of a trade that does not close a position.
    band
        Share of the equity: smaller changes that do not close a position are left alone.
    max_gross, max_net, max_group
        Limits of the sum of absolute weights, of the absolute sum, and of the absolute sum in each group; beyond one,
        the weights concerned shrink by one factor.
    """

    fill_at: Annotated[FillAt | None, Slot((p.FILL_AT,), codes=get_args(FillAt))] = None
    size_at: Annotated[SizeAt, Slot((p.SIZE_AT,), codes=get_args(SizeAt))] = "fill"
    mark_at: Annotated[Literal["close", "open"], Slot((p.MARK_AT,), codes=("close", "open"))] = "close"
    rebalance: Literal["rows", "changes", "bars"] = "rows"
    short_cash: Annotated[ShortCash, Slot((p.SHORT_CASH,), codes=get_args(ShortCash))] = "scale"
    sequence: Annotated[Sequence, Slot((p.SEQUENCE,), codes=get_args(Sequence))] = "by_weight"
    fee_from: Annotated[FeeFrom, Slot((p.FEE_FROM,), codes=get_args(FeeFrom))] = "cash"
    lot_size: NonNegative | None = None
    min_size: NonNegative | None = None
    round_lots: Annotated[RoundLots, Slot((p.ROUND,), codes=get_args(RoundLots))] = "order"
    buying_power: Annotated[Literal["equity", "cash"], Slot((p.BUYING_POWER,), codes=("equity", "cash"))] = (
        "equity"
    )
    leverage: Annotated[Positive | None, Slot((p.LEVERAGE,))] = None
    shorts: Annotated[Literal["allowed", "refused"], Slot((p.SHORTS,), codes=("allowed", "refused"))] = (
        "allowed"
    )
    missing: Annotated[Literal["wait", "drop"], Slot((p.MISSING,), codes=("wait", "drop"))] = "wait"
    over_invested: Literal["refused", "allowed"] = "refused"
    costs: dict[str, Costs] = fresh(dict)
    delisted: Literal["last_price", "zero", "hold"] | Fraction = "last_price"
    cash_buffer: Annotated[
        Annotated[float, Limits(ge=0, lt=1, allow_inf_nan=False)], Slot((p.CASH_BUFFER,), "cash_buffer")
    ] = 0.0
    min_trade: Annotated[NonNegative, Slot((p.MIN_TRADE,), "min_trade")] = 0.0
    band: Annotated[Annotated[float, Limits(ge=0, lt=1, allow_inf_nan=False)], Slot((p.BAND,), "band")] = 0.0
    max_gross: Annotated[Positive | None, Slot((p.MAX_GROSS,), "max_gross")] = None
    max_net: Annotated[Positive | None, Slot((p.MAX_NET,), "max_net")] = None
    max_group: Annotated[Positive | None, Slot((p.MAX_GROUP,), "max_group")] = None

    def model_post_init(self, context: Any, /) -> None:
        """Some rules say the same thing in two ways."""
        if self.round_lots == "down" and self.fee_from != "amount":
            raise ConfigError(
                'PortfolioRules.round_lots: "down" rounds amounts with their fee; expected fee_from="amount" '
                f"with it, got {self.fee_from!r}"
            )
        if self.round_lots == "target" and self.fee_from != "cash":
            raise ConfigError(
                f'PortfolioRules.round_lots: "target" expects fee_from="cash"; got {self.fee_from!r}'
            )

    @property
    def recovery(self) -> float:
        """Share of the last price that a delisted holding brings; -1.0: it stays."""
        named = {"last_price": 1.0, "zero": 0.0, "hold": -1.0}
        return named[self.delisted] if isinstance(self.delisted, str) else self.delisted

    @classmethod
    @guarded
    def vectorbt(cls, price: str = "open", **changes: Any) -> PortfolioRules:
        """Rules of vectorbt 1.2: ``Portfolio.from_orders`` of target percents, shared cash, ``call_seq`` auto.

        Parameters
        ----------
        price
            ``"open"``: targets shifted a bar and filled at its open; ``"close"``: filled at the close that decides.
        """
        fill_at = _one_of("price", price, {"open": "next_open", "close": "close"})
        return cls(**{
            "fill_at": fill_at, "size_at": "reference", "short_cash": "cut_last", "sequence": "smallest_first",
            "buying_power": "cash", "min_size": 1e-8, "missing": "drop",
            "delisted": "hold", "over_invested": "allowed", **changes,
        })  # fmt: skip

    @classmethod
    @guarded
    def bt(cls, **changes: Any) -> PortfolioRules:
        """Rules of bt 1.4: filled at the close that decides, the fee inside the amount, no look at the cash."""
        return cls(**{
            "fill_at": "close", "size_at": "reference", "short_cash": "ignore", "fee_from": "amount",
            "round_lots": "down", "buying_power": "cash", "missing": "drop",
            "delisted": "hold", "over_invested": "allowed", **changes,
        })  # fmt: skip

    @classmethod
    @guarded
    def polars_backtest(cls, price: str = "open", daily: bool = False, **changes: Any) -> PortfolioRules:
        """Rules of polars-backtest 0.1.7: the next bar's price fills and marks; fees of purchases off the position.

        Parameters
        ----------
        price
            The one column of prices: ``"open"`` or ``"close"``.
        daily
            Trade to the last weights on every bar; else where weights change.
        """
        fill_at = _one_of("price", price, {"open": "next_open", "close": "next_close"})
        return cls(**{
            "fill_at": fill_at, "size_at": "reference", "mark_at": price, "short_cash": "ignore",
            "fee_from": "position", "buying_power": "cash", "max_gross": 1.0, "missing": "drop",
            "delisted": "hold", "over_invested": "allowed",
            "rebalance": "bars" if daily else "changes", **changes,
        })  # fmt: skip

    @classmethod
    @guarded
    def rule(cls, name: str, **changes: Any) -> PortfolioRules:
        """Five plain rules of an accountant: sales first, then purchases, all times one factor where cash is short.

        Parameters
        ----------
        name
            ``"A"``: sized and filled at the next open, marked at closes; ``"B"``: A marked at opens; ``"C"``: sized and
            filled at the close that decides; ``"D"``: sized by that close, filled at the next open; ``"E"``: sized by
            it, filled at the next close.
        """
        own = _one_of("name", name, {
            "A": {"fill_at": "next_open", "size_at": "reference"},
            "B": {"fill_at": "next_open", "size_at": "reference", "mark_at": "open"},
            "C": {"fill_at": "close", "size_at": "reference"},
            "D": {"fill_at": "next_open", "size_at": "decision"},
            "E": {"fill_at": "next_close", "size_at": "decision"},
        })  # fmt: skip
        return cls(**{
            **own, "short_cash": "scale", "round_lots": "target", "buying_power": "cash", "missing": "drop",
            "delisted": "hold", "over_invested": "allowed", **changes,
        })  # fmt: skip


def _one_of(label: str, value: Any, known: dict[str, Any]) -> Any:
    """What a word stands for."""
    if value not in known:
        raise ConfigError(
            f"{label}: expected one of {list(known)}; got {value!r}; {did_you_mean(str(value), known)}"
        )
    return known[value]


def rules_vector(rules: PortfolioRules) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rules as the kernel reads them: float64[N_RULES]."""
    vector = [0.0] * p.N_RULES
    put_fields(vector, rules)
    vector[p.RECOVERY] = rules.recovery
    return np.array(vector)
