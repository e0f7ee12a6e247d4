"""Panels at the command line: how they are read and shown, and what a portfolio holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, StrategyError, did_you_mean

OPTIONS = ("symbol_column", "align", "universe", "groups")
"""Options of reading that only panels have."""
RANK = "rank"
"""Name of the rule that the table ``[rank]`` of the settings says."""
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".ipc", ".json", ".gz", ".zip")


def check_options(said: Mapping[str, Any]) -> None:
    """Refuse options of panels where the data are none."""
    for name in OPTIONS:
        if name in said:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option}: it says how a panel is read; expected --panel as well; got none")


def load_panel(data: str, said: Mapping[str, Any], kind: str) -> Any:
    """A panel from files, a query, or the packaged prices (``panel``).

    Raises
    ------
    DataError, ConfigError
        As of `Panel.load`.
    """
    from peak_fast.data import Panel, read_table, sample

    options = dict(said)
    told: dict[str, Any] = {
        name: read_table(options.pop(name)) for name in ("universe", "groups") if name in options
    }
    if data == "panel":
        _refuse(options)
        return sample("panel").told(**told)
    if "symbol" in options:
        raise ConfigError(
            "--symbol: a panel holds all symbols; expected --symbol-column for the column that names them"
        )
    panel = Panel.load(data, **options, **told)
    object.__setattr__(panel, "_kind", kind)
    return panel


def _refuse(options: Mapping[str, Any]) -> None:
    """Packaged prices leave nothing to say of how they are read."""
    for name in options:
        option = name.replace("_", "-")
        raise ConfigError(
            f"--{option}: packaged prices are read as they are; leave the options of reading out"
        )


def inspect_panel(panel: Any, show: Callable[[str], None]) -> None:
    """Print what was understood of a panel: assets, times, what else is known, notes."""
    first, last = panel.span
    listed = ", ".join(panel.symbols[:6]) + (", ..." if panel.n_assets > 6 else "")
    late, gone = int((panel.listed > 0).sum()), int((panel.delisted < len(panel)).sum())
    facts = [
        ("name", panel.name),
        ("assets", f"{panel.n_assets:,}: {listed}"),
        ("bars", f"{len(panel):,}"),
        ("listed later", f"{late:,} of the assets; {gone:,} end early"),
        ("times", f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC" if panel.has_time else "none"),
        ("time zone", panel.time_zone or ("none, taken as UTC" if panel.has_time else "none")),
        ("stamp", f"a time is the {panel.stamp} of its bar"),
        ("bars a year", f"{panel.periods_per_year:,.6g}"),
        ("own columns", ", ".join(panel.own_columns) or "none"),
        ("groups", ", ".join(panel.group_names) or "none"),
        (
            "universe",
            "none: all assets"
            if panel.members is None
            else f"{panel.members.sum(axis=0).mean():,.4g} members a bar",
        ),
        ("hash", panel.hash),
    ]
    for name, text in facts:
        show(f"{name:<12}  {text}")
    show("notes" if panel.notes else "notes         none")
    for note in panel.notes:
        show(f"  * {note}")


def load_holdings(text: str, run: Callable[[Path], Any], rank: Any = None) -> Any:
    """What a portfolio holds: a file of weights or orders, ``FILE.py[:NAME]`` with a rule, or ``rank``.

    Parameters
    ----------
    text
        What ``--strategy`` says.
    run
        Runs a Python file and gives its module.
    rank
        The table ``[rank]``, if there is one.

    Raises
    ------
    StrategyError
        A file that is missing or fails, or in which nothing gives weights, or several things do.
    """
    from peak_fast.data import read_table
    from peak_fast.portfolio import GivenOrders, GivenWeights, places_orders, rule_of

    file, sign, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    if file.lower().endswith(_TABLES):
        table, stem = read_table(file), Path(file).name.split(".")[0]
        return GivenOrders(table, stem) if places_orders(table) else GivenWeights(table, stem)
    if text == RANK:
        return _ranking(rank)
    if not file.endswith(".py"):
        near = "; did you mean 'rank'?" if get_close_matches(text, [RANK]) else ""
        raise StrategyError(
            "--strategy: expected FILE.py[:NAME] with a rule such as Rank, a file of weights or orders, or 'rank', for "
            f"a panel; got {text!r}{near}"
        )
    module = run(Path(file))
    every = {label: item for label, item in vars(module).items() if not label.startswith("_")}
    if sign:
        if name not in every:
            raise StrategyError(f"--strategy: no {name!r} in {file!r}; {did_you_mean(name, every)}")
        return rule_of(every[name])
    found = {label: item for label, item in every.items() if _is_rule(item)}
    if len({id(item) for item in found.values()}) != 1:
        several = "several rules; expected one of " + ", ".join(f"{file}:{label}" for label in found)
        raise StrategyError(
            f"--strategy: {file!r} defines "
            + (several if found else f"no rule; expected a Rank, or {file}:NAME of a function")
        )
    return next(iter(found.values()))


def _ranking(table: Any) -> Any:
    """The rule that a table says; without one momentum, all of whose numbers are parameters."""
    from peak_fast.portfolio import Momentum, Rank

    if table is not None:
        return Rank.from_table(table)
    score = Momentum("lookback", "skip")
    return Rank(score, top="top", bottom="bottom", rebalance="rebalance")


def _is_rule(item: Any) -> bool:
    """Whether a value of a module is a rule of portfolios, not a class or a function."""
    from peak_fast.strategies import OrderBlock, PanelBlock

    if isinstance(item, OrderBlock | PanelBlock):
        return True
    return hasattr(item, "schema") and callable(getattr(item, "weights", None)) and not isinstance(item, type)
