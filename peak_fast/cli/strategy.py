"""Strategies on the command line: a name, or a file of one's own."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from peak_fast.cli.panel import RANK, load_holdings
from peak_fast.data import is_panel
from peak_fast.errors import PeakFastError, StrategyError, did_you_mean
from peak_fast.strategies import Block, OrderBlock, PanelBlock, RuleStrategy, SignalStrategy, resolve

_KINDS = (Block, OrderBlock, PanelBlock, RuleStrategy, SignalStrategy)


def load_strategy(text: str, data: Any = None, rank: Any = None) -> Any:
    """Strategy of a name, of ``FILE.py`` or of ``FILE.py:NAME``; a file is run as Python would run it.

    Where the data are a panel it is what a portfolio holds (`peak_fast.cli.panel.load_holdings`); ``rank`` is the table
    of settings that says what the name ``rank`` is then.

    Raises
    ------
    StrategyError
        Unknown name; a file that is missing or fails, or in which the strategy is not, or one of several.
    """
    if is_panel(data):
        return load_holdings(text, _run, rank)
    file, sign, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    if not file.endswith(".py"):
        if text == RANK:
            raise StrategyError("--strategy: 'rank' chooses among many assets; expected --panel with it")
        return resolve(text)
    module = _run(Path(file))
    found = {label: item for label, item in vars(module).items() if isinstance(item, _KINDS)}
    if not found:
        raise StrategyError(
            f"--strategy: {file!r} defines no strategy; expected a function with the decorator "
            f"peak_fast.strategy, or a RuleStrategy{_undecorated(module)}"
        )
    if sign:
        named = {**{item.name: item for item in found.values()}, **found}
        if name not in named:
            raise StrategyError(f"--strategy: no strategy {name!r} in {file!r}; {did_you_mean(name, named)}")
        return named[name]
    distinct = {id(item): label for label, item in found.items()}
    if len(distinct) > 1:
        raise StrategyError(
            f"--strategy: {file!r} defines several strategies; expected one of "
            + ", ".join(f"{file}:{label}" for label in distinct.values())
        )
    return next(iter(found.values()))


def _undecorated(module: ModuleType) -> str:
    """A remedy for a file of plain functions, the end of a message."""
    own = [
        item
        for item in vars(module).values()
        if inspect.isfunction(item) and item.__module__ == module.__name__
    ]
    return f"; write @strategy() above 'def {own[-1].__name__}'" if own else ""


def _run(path: Path) -> ModuleType:
    """The module that a file is."""
    if not path.is_file():
        raise StrategyError(f"--strategy: expected a Python file; got {str(path)!r}, which is not there")
    name = f"_strategy_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # As Python does for a file that it runs: what lies beside it can be imported.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except PeakFastError:
        raise
    except Exception as error:
        places = [
            item.lineno
            for item in traceback.extract_tb(error.__traceback__)
            if item.filename == str(path.resolve())
        ]
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else (places or [None])[-1]
        raise StrategyError(
            f"--strategy: {str(path)!r} could not be run: {type(error).__name__} in line {line}: {error}"
        ) from error
    finally:
        sys.path.pop(0)
    return module
