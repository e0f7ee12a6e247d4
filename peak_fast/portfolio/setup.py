"""From the engine's settings and a panel to what the portfolio kernel reads; what means nothing there is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from peak_fast.errors import ConfigError, DataError, did_you_mean
from peak_fast.settings import Asset, Costs, Execution, FractionOfEquity, PortfolioRules, Stops, rules_vector
from peak_fast.simulation import NO_DUES, Dues, dues_of
from peak_kernels import portfolio_slots as p
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from peak_fast.data import Panel
    from peak_fast.portfolio.targets import TargetWeights
    from peak_fast.settings import EngineSettings


_MOST_KEPT = 16
_NO_DAYS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run reads besides weights.

    Attributes
    ----------
    settings
        The fast path's flat settings.
    rules, terms, spans, lists
        See `peak_kernels.portfolio_slots`; ``lists`` has the rows that the caller gives.
    portfolio
        The rules, every one of them said.
    dues
        What financing pays and gets, and when.
    days
        Calendar day of each bar, where the account has limits.
    said
        The settings as results name them, once somebody has asked (`described`).
    """

    settings: FloatArray
    rules: FloatArray
    terms: FloatArray
    spans: IntArray
    lists: IntArray
    portfolio: PortfolioRules
    dues: Dues = NO_DUES
    days: IntArray = field(default_factory=lambda: _NO_DAYS)
    said: dict[str, Any] = field(default_factory=dict)


def setup_of(panel: Panel, settings: EngineSettings) -> Setup:
    """What the kernel reads for these settings on this panel; kept with the panel for the next run.

    Raises
    ------
    ConfigError
        A setting that means nothing to a portfolio, or two that contradict each other.
    DataError
        Prices at or below zero, of which no weight is a size.
    """
    kept = panel.memo.setdefault("setups", {})
    found = kept.get(id(settings))
    if found is not None and found[0] is settings:
        setup: Setup = found[1]
        return setup
    refuse_strangers(settings)
    rules = complete_rules(settings.portfolio, settings.execution)
    check_costs(rules, {"costs": settings.costs, **rules.costs})
    vector = rules_vector(rules)
    vector[p.MAX_POSITION] = settings.risk_limits.max_position or 0.0
    vector[p.FINANCED] = 0.0 if settings.financing is None else 1.0
    if settings.financing is not None and settings.financing.funding is not None and rules.mark_at == "open":
        raise ConfigError(
            'Financing.funding: it is paid at closes, which the equity at opens does not show; expected mark_at="close"'
        )
    setup = Setup(
        settings.portfolio_vector(settings.periods_per_year or panel.periods_per_year), vector,
        terms_of(panel, settings.costs, rules), spans_of(panel), _lists(panel, rules), rules,
        dues_of(panel, settings.financing), _days(panel, settings),
    )  # fmt: skip
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    # The settings are kept, too: another object may get the number of one that is gone.
    kept[id(settings)] = (settings, setup)
    return setup


def _days(panel: Panel, settings: EngineSettings) -> IntArray:
    """Calendar days of the bars where the account has limits, else none."""
    limits = settings.risk_limits
    return _NO_DAYS if limits.max_drawdown is None and limits.daily_loss is None else panel.day


def with_band(setup: Setup, targets: TargetWeights) -> Setup:
    """The setup with the band that the weights bring along."""
    if targets.band is None:
        return setup
    rules = setup.rules.copy()
    rules[p.BAND] = targets.band
    portfolio = setup.portfolio.model_copy(update={"band": targets.band})
    return replace(setup, rules=rules, portfolio=portfolio, said={})


def refuse_strangers(settings: EngineSettings) -> None:
    """Refuse settings that say nothing to weights of many assets, rather than pass over them.

    Raises
    ------
    ConfigError
        One is not at its default.
    """
    plain = Execution()
    for name, value, default, remedy in (
        ("stops", settings.stops, Stops(), "let the rule that gives the weights end positions"),
        ("sizing", settings.sizing, FractionOfEquity(), "weights are the sizes: scale them"),
        ("order_book", settings.order_book, None, "portfolios trade at opens and closes"),
        ("execution.both_hit", settings.execution.both_hit, plain.both_hit, "there are no stops"),
        ("execution.entry_bar_stops", settings.execution.entry_bar_stops, True, "there are no stops"),
        ("costs.maker_rate", settings.costs.maker_rate, None, "no order rests: set Costs(rate=)"),
    ):
        if value != default:
            raise ConfigError(
                f"{name}: expected the default for a portfolio of weights, to which it says nothing; got {value!r}; "
                f"{remedy}"
            )


def complete_rules(rules: PortfolioRules | None, execution: Execution) -> PortfolioRules:
    """The rules with what they leave to `Execution`.

    Raises
    ------
    ConfigError
        They contradict each other.
    """
    given = PortfolioRules() if rules is None else rules
    found = given.model_copy(update={
        name: getattr(execution, name)
        for name in ("fill_at", "lot_size", "min_size", "leverage")
        if getattr(given, name) is None
    })  # fmt: skip
    if found.mark_at == "open" and found.fill_at != "next_open":
        raise ConfigError(
            'PortfolioRules.mark_at: "open" shows the equity before a fill at a close; expected fill_at="next_open" '
            f"with it, got {found.fill_at!r}"
        )
    return found


def check_costs(rules: PortfolioRules, costs: Mapping[str, Costs]) -> None:
    """Refuse fees that are no rate where the fee is part of an amount, and a maker's rate."""
    for name, item in costs.items():
        if rules.fee_from != "cash" and (item.fixed or item.minimum or item.per_unit):
            raise ConfigError(
                f"PortfolioRules.fee_from: {rules.fee_from!r} knows fees as a rate only; expected no fixed, minimum or "
                f"per_unit in {name}; got {item!r}"
            )
        if item.maker_rate is not None:
            raise ConfigError(
                f"{name}.maker_rate: expected None, because no order rests; got {item.maker_rate!r}"
            )


def terms_of(panel: Panel, costs: Costs, rules: PortfolioRules) -> FloatArray:
    """float64[asset, N_TERMS]: costs, lots and multipliers of each asset.

    Raises
    ------
    ConfigError
        A name that is no asset, or a property of an asset that portfolios do not know.
    """
    terms = np.zeros((p.N_TERMS, panel.n_assets))
    terms[: p.LOT] = np.array(_cost_terms(costs))[:, None]
    terms[p.LOT], terms[p.MIN_SIZE], terms[p.MULTIPLIER] = rules.lot_size, rules.min_size, 1.0
    for symbol, own in rules.costs.items():
        if symbol not in panel:
            raise ConfigError(
                f"PortfolioRules.costs: {symbol!r} is no asset of the panel; {did_you_mean(symbol, panel.symbols)}"
            )
        terms[: p.LOT, panel.index(symbol)] = _cost_terms(own)
    for symbol, asset in panel.assets.items():
        if not isinstance(asset, Asset):
            raise ConfigError(f"assets[{symbol!r}]: expected an Asset; got {type(asset).__name__}")
        if asset.margin or asset.quote or asset.base or asset.tick:
            raise ConfigError(
                f"assets[{symbol!r}]: expected lot, min_size and multiplier alone in a portfolio of weights; got "
                f"{asset!r}; margins, currencies and ticks: simulate_orders"
            )
        at = panel.index(symbol)
        terms[p.MULTIPLIER, at] = asset.multiplier
        terms[p.LOT, at] = asset.lot or terms[p.LOT, at]
        terms[p.MIN_SIZE, at] = asset.min_size or terms[p.MIN_SIZE, at]
    return np.ascontiguousarray(terms.T)


def _cost_terms(costs: Costs) -> list[float]:
    """Costs in the order of the slots."""
    slippage = (costs.slippage_bps / 10_000.0, costs.slippage_abs)
    return [costs.rate, costs.fixed, costs.per_unit, costs.minimum, *slippage]


def spans_of(panel: Panel) -> IntArray:
    """int64[3, asset]: when each asset has prices, see `peak_kernels.portfolio_slots`.

    Raises
    ------
    DataError
        A price at or below zero.
    """
    found = panel.memo.get("spans")
    if found is None:
        # Asset by asset, because a table of answers is an eighth of a table of prices.
        bad = np.flatnonzero([(low <= 0.0).any() for low in panel.low])
        if bad.size:
            raise DataError(
                f"panel: {panel.symbols[bad[0]]!r} has prices at or below zero, of which no weight is a size; expected "
                "positive prices; leave the asset out: panel.select([...])"
            )
        there = len(panel) - np.array([np.count_nonzero(np.isnan(close)) for close in panel.close])
        listed, gone = panel.listed, panel.delisted
        found = panel.memo["spans"] = np.array(
            [listed, gone, np.maximum(gone - listed, 0) - there], dtype=np.int64
        )
    spans: IntArray = found
    return spans


def _lists(panel: Panel, rules: PortfolioRules) -> IntArray:
    """int64[2, asset]: rank in the alphabet, and group."""
    lists = np.empty((p.N_GIVEN_LISTS, panel.n_assets), dtype=np.int64)
    order = sorted(range(panel.n_assets), key=panel.symbols.__getitem__)
    lists[p.RANK, order] = np.arange(panel.n_assets)
    if panel.groups is None:
        if rules.max_group is not None:
            raise ConfigError(
                "PortfolioRules.max_group: expected a panel with groups; got none; panel.with_groups({symbol: group})"
            )
        lists[p.GROUP] = -1
    else:
        lists[p.GROUP] = panel.groups
    return lists


def described(setup: Setup, settings: EngineSettings) -> dict[str, Any]:
    """Settings as a result names them; the same for all runs of a setup, so nobody changes what is in them."""
    if not setup.said:
        setup.said.update(_described(setup, settings))
    return dict(setup.said)


def _described(setup: Setup, settings: EngineSettings) -> dict[str, Any]:
    financing = {} if settings.financing is None else {"financing": settings.financing.described()}
    return {
        **financing,
        "initial_cash": settings.initial_cash,
        "costs": settings.costs.model_dump(),
        "risk_limits": settings.risk_limits.model_dump(),
        "risk_free": settings.risk_free,
        "portfolio": setup.portfolio.model_dump(),
    }
