"""Does a strategy look ahead?  The check that people ask for; how it looks is in `peak_fast.lookahead`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from peak_fast.arguments import is_whole, wrong
from peak_fast.data import given_bars, is_panel
from peak_fast.engine import BacktestEngine
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.lookahead import Effort, Leak, LookaheadReport, checked

__all__ = ["Leak", "LookaheadReport", "check_lookahead"]


@guarded
def check_lookahead(
    strategy: Any,
    data: Any = None,
    params: Mapping[str, Any] | None = None,
    *,
    engine: BacktestEngine | None = None,
    weights: bool = False,
    allow: Collection[str] = (),
    cuts: int | None = None,
) -> LookaheadReport:
    """Whether decisions, or columns that a function makes, depend on bars that come later.

    The strategy is run on the first bars alone, and on all bars of which the later ones are others, at places spread
    over the data and at those where its decisions change.  What it then says of earlier bars must be what it says
    with all of them.

    Parameters
    ----------
    strategy
        Anything that `BacktestEngine.run` takes: a name, a strategy object, a signal function, a Polars expression, a
        compiled block; for a `Panel` a rule, a function of the long frame, a block of all assets.  A function may also
        return several columns by name (a frame, a dict): each is looked at.
    data
        `Bars`, a frame, or a `Panel`.
    params
        Parameters of the strategy; missing ones take their defaults.
    engine
        Settings of the run that compiled blocks see; None: those of ``BacktestEngine()``.  What they assume about
        fills is named in the report, and is no leak.
    weights
        As of `BacktestEngine.run`.
    allow
        Names of columns, variables or inputs that may know later bars: what a model learns from, a calendar of
        events that was published beforehand.
    cuts
        Places at which the future is taken away; None: 24, fewer where one run takes longer than 0.05 seconds.

    Returns
    -------
    LookaheadReport
        Verdict, and for each leak the first bar, the size, the input columns and the smallest prefix.

    Raises
    ------
    StrategyError, DataError, ConfigError
        The strategy cannot be run on the data as they are.  A leak is no error: `LookaheadReport.raise_on_leak`.
    """
    if cuts is not None and (not is_whole(cuts) or cuts < 1):
        raise wrong(
            "cuts", "a whole number of at least 1, or None", cuts, "24 looks at 24 places", ConfigError
        )
    if isinstance(allow, str) or not isinstance(allow, Collection):
        raise wrong("allow", "names in a list", allow, "allow=['label']", ConfigError)
    engine = BacktestEngine() if engine is None else engine
    given = data if is_panel(data) else given_bars(data)
    return checked(
        strategy, given, params, engine.settings, engine.quiet_run(weights), effort=Effort(cuts=cuts), allow=allow
    )  # fmt: skip
