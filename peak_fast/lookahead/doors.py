"""What other rooms ask: the report on a strategy, and the cheap form before a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from peak_fast import portfolio as _portfolio
from peak_fast.data import is_panel
from peak_fast.lookahead.examine import examine
from peak_fast.lookahead.inputs import inputs_of
from peak_fast.lookahead.report import UNCHECKED, LookaheadReport
from peak_fast.lookahead.rows import DECISION
from peak_fast.lookahead.search import CHEAP, Effort
from peak_fast.lookahead.subjects import (
    ExpressionSubject,
    FunctionSubject,
    RunSubject,
    Subject,
    WeightsSubject,
)
from peak_fast.settings import EngineSettings
from peak_fast.simulation import is_targets
from peak_fast.strategies import (
    Block,
    OrderBlock,
    PanelBlock,
    RuleStrategy,
    SignalStrategy,
    complete_params,
    params_of,
    resolve,
)

_GIVEN = (
    "what was decided was given as numbers, not as something that can be run on fewer bars: whether they were made "
    "with a look at later bars cannot be told from them; expected the function that makes them"
)
_AT_THE_CLOSE = (
    "fills: at the close of the bar that decides, which assumes that the close is known before it trades; an "
    "assumption of the settings, not a leak of the strategy"
)
Run = Callable[[Any, Any, dict[str, Any]], Any]
"""Runs a resolved strategy: ``run(bars, strategy, params)``."""


def checked(
    strategy: Any,
    data: Any,
    params: Mapping[str, Any] | None,
    settings: EngineSettings,
    run: Run,
    *,
    effort: Effort | None = None,
    allow: Collection[str] = (),
) -> LookaheadReport:
    """Report on a strategy with some data and settings.

    Parameters
    ----------
    data
        `Bars`, or a `Panel`.

    Raises
    ------
    PeakFastError
        The strategy cannot be run on the data as they are.
    """
    subject, values = _subject(strategy, data, params, settings, run)
    if subject is None:
        return LookaheadReport("targets", "numbers", values, UNCHECKED, notes=(_GIVEN,), bars=len(data))
    return examine(
        subject, inputs_of(data, subject.framed), params=values, effort=effort, allow=allow,
        assumptions=_assumptions(settings, is_panel(data)),
    )  # fmt: skip


def refuse_lookahead(
    strategy: Any, data: Any, params: Mapping[str, Any] | None, settings: EngineSettings, run: Run
) -> tuple[str, ...]:
    """The cheap form, before a run: decisions alone, at few bars; gives notes for the result.

    Rules and blocks that place orders are passed: the ones compare rows of indicators, of which none changes with later
    bars, and the others see no later bar.

    Raises
    ------
    StrategyError
        A decision depends on later bars.
    """
    if not is_panel(data) and (isinstance(strategy, str) or not is_targets(strategy)):
        strategy = resolve(strategy)
        if isinstance(strategy, RuleStrategy | OrderBlock):
            return ()
    report = checked(strategy, data, params, settings, run, effort=CHEAP)
    decided = tuple(leak for leak in report.leaks if leak.kind == DECISION)
    replace(report, leaks=decided).raise_on_leak()
    said = [leak.text() for leak in report.leaks] + [*report.notes] * (report.verdict == UNCHECKED)
    return tuple(f"look-ahead: {text}" for text in said)


def _subject(
    strategy: Any, data: Any, params: Mapping[str, Any] | None, settings: EngineSettings, run: Run
) -> tuple[Subject | None, dict[str, Any]]:
    """A strategy as one that can be asked, with all of its parameters; None: its decisions were given."""
    if is_panel(data):
        return _of_panel(strategy, params, settings)
    if not isinstance(strategy, str) and is_targets(strategy):
        expression = hasattr(strategy, "meta")
        return (ExpressionSubject(strategy) if expression else None), params_of(params)
    item = resolve(strategy)
    values = complete_params(item, params)
    if isinstance(item, SignalStrategy):
        return FunctionSubject(item, values), values
    kinds = {RuleStrategy: "rules", Block: "block", OrderBlock: "order block"}
    sized = isinstance(item, Block) and settings.order_book is None
    return RunSubject(item.name, kinds[type(item)], lambda bars: run(bars, item, values), sized), values


def _of_panel(
    strategy: Any, params: Mapping[str, Any] | None, settings: EngineSettings
) -> tuple[Subject | None, dict[str, Any]]:
    rule = _portfolio.rule_of(strategy)
    values = complete_params(rule, params)
    if isinstance(rule, _portfolio.GivenWeights):
        return None, values
    if isinstance(rule, PanelBlock):

        def decide(panel: Any) -> Any:
            return _portfolio.decided(panel, _portfolio.setup_of(panel, settings), rule, values)

        return WeightsSubject(rule.name, "panel block", decide, None, truncates=False), values
    asked = getattr(rule, "strategy", None)
    function = getattr(rule if asked is None else asked, "function", None)
    name = str(getattr(rule, "name", "") or type(rule).__name__)
    kind = "panel function" if isinstance(rule, _portfolio.WeightFunction) else "panel rule"
    score = None
    if isinstance(rule, _portfolio.Rank):

        def score(panel: Any) -> Any:
            return rule.score.at(panel, np.arange(len(panel)), values)

    return WeightsSubject(
        name, kind, lambda panel: _portfolio.target_weights(panel, rule, values), function,
        not isinstance(asked, Block), score,
    ), values  # fmt: skip


def _assumptions(settings: EngineSettings, panel: bool) -> list[str]:
    """What the settings assume about fills: known, and no leak of the strategy."""
    rule: str = settings.execution.fill_at
    if panel and settings.portfolio is not None:
        rule = settings.portfolio.fill_at or rule
    book = settings.order_book
    at_market = getattr(getattr(book, "rules", book), "market_fill", None)
    if rule != "close" and (panel or at_market not in ("same_close", "placing_close")):
        return []
    return [_AT_THE_CLOSE]
