"""Values on the command line: parameters, grids, and places to write to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peak_fast.arguments import is_number
from peak_fast.errors import ConfigError, did_you_mean, writing

if TYPE_CHECKING:
    from peak_fast.settings import BacktestConfig

_MOST_VALUES = 1_000_000
_LIKE = 0.75  # how near an option must be to one of the command's to be a misspelling of it
_ENGINE = (
    "initial_cash",
    "execution",
    "costs",
    "sizing",
    "stops",
    "risk_limits",
    "periods_per_year",
    "risk_free",
)


def parse_value(text: str) -> Any:
    """Number, boolean or text, as written."""
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered == "none":
        return None
    for kind in (int, float):
        if "_" in text:  # Python reads 1_000 as a number, people who write a name do not
            break
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def config_of(
    path: Path | None,
    cash: float | None = None,
    fee_bps: float | None = None,
    slippage_bps: float | None = None,
) -> Any:
    """Settings of a file, with those that the options replace."""
    from peak_fast.settings import BacktestConfig

    settings = BacktestConfig.from_toml(path) if path else BacktestConfig()
    return with_options(settings, cash, fee_bps, slippage_bps)


def split_pairs(option: str, form: str, pairs: list[str]) -> dict[str, str]:
    """``["fast=20"]`` as ``{"fast": "20"}``.

    Raises
    ------
    ConfigError
        No name, no equals sign, or a name twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or not name or not text:
            raise ConfigError(f"{option}: expected {form}; got {pair!r}")
        if name in found:
            raise ConfigError(f"{option}: expected each name once; got {name!r} twice; remove one")
        found[name] = text
    return found


def parse_params(pairs: list[str]) -> dict[str, Any]:
    """``["fast=20"]`` as ``{"fast": 20}``."""
    return {name: parse_value(text) for name, text in split_pairs("--param", "name=value", pairs).items()}


def parse_grid(pairs: list[str]) -> dict[str, list[Any]]:
    """``["fast=5:100:5", "slow=20,50"]`` as lists of values; a range includes its end."""
    found = split_pairs("--grid", "name=start:stop[:step] or name=a,b,c", pairs)
    return {name: _values(name, text) for name, text in found.items()}


def listed_grid(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """A grid of a settings file: lists stay, one value is a list of it, a text is read as on the command line."""
    grid: dict[str, list[Any]] = {}
    for name, given in table.items():
        if isinstance(given, str):
            grid |= parse_grid([f"{name}={given}"])
        elif isinstance(given, Mapping):
            raise ConfigError(
                f'[sweep.grid] {name}: expected values; got a table; write {name} = [10, 20] or "5:100:5"'
            )
        else:
            grid[name] = list(given) if isinstance(given, list) else [given]
    return grid


def _values(name: str, text: str) -> list[Any]:
    if ":" not in text:
        return [parse_value(part.strip()) for part in text.split(",")]
    parts = [parse_value(part) for part in text.split(":")]
    if len(parts) not in (2, 3) or not all(is_number(p) and math.isfinite(p) for p in parts):
        raise ConfigError(f"--grid {name}: expected start:stop or start:stop:step; got {text!r}")
    start, stop, step = (*parts, 1)[:3]
    if step <= 0 or stop < start:
        raise ConfigError(f"--grid {name}: expected start <= stop and a positive step; got {text!r}")
    if (stop - start) / step > _MOST_VALUES:
        raise ConfigError(
            f"--grid {name}: expected at most {_MOST_VALUES:,} values; got {text!r}; use a larger step"
        )
    # Counting steps instead of adding them up keeps 0.1:0.3:0.1 at three values.
    count = int((stop - start) / step + 1e-9) + 1
    return [start + k * step if isinstance(step, int) else round(start + k * step, 12) for k in range(count)]


def engine_settings(config: BacktestConfig) -> dict[str, Any]:
    """Settings of a file as keyword arguments of ``Sweep`` and ``Study``."""
    settings = {name: getattr(config, name) for name in _ENGINE}
    if config.order_book is not None:
        from peak_fast.settings import as_book

        settings["order_book"] = as_book(config.order_book)
    for name in ("portfolio", "financing"):
        if getattr(config, name) is not None:
            settings[name] = getattr(config, name)
    return settings


def with_options(
    config: BacktestConfig, cash: float | None, fee_bps: float | None, slippage_bps: float | None
) -> BacktestConfig:
    """Settings of a file with what ``--cash``, ``--fee-bps`` and ``--slippage-bps`` replace.

    Raises
    ------
    ConfigError
        A value out of range.
    """
    from peak_fast.arguments import rate_of_bps
    from peak_fast.settings import BacktestConfig, Costs

    changed: dict[str, Any] = {}
    if cash is not None:
        changed["initial_cash"] = BacktestConfig(initial_cash=cash).initial_cash
    costs = config.costs.model_dump()
    if fee_bps is not None:
        costs.update(rate=rate_of_bps("--fee-bps", fee_bps), maker_rate=None)
    if slippage_bps is not None:
        costs.update(slippage_bps=slippage_bps)
    return config.model_copy(update={**changed, "costs": Costs(**costs)})


def usage_message(error: Any) -> str:
    """What the parser of the command line has to say, with the nearest name of an option or a command."""
    message = str(error.format_message())
    command = getattr(getattr(error, "ctx", None), "command", None)
    option = getattr(error, "option_name", None)
    if command is None:
        return message
    if option is not None and message.startswith("No such option"):
        known = [name for item in command.params for name in item.opts]
        return f"no such option {option}; {_parameter_hint(str(option), known)}{did_you_mean(str(option), known)}"
    if message.startswith("No such command"):
        name = message.split("'")[1]
        return f"no such command {name!r}; {did_you_mean(name, command.commands)}"
    return message


def _parameter_hint(option: str, known: list[str]) -> str:
    """Where parameters of a strategy go, for an option that is like none of the command's."""
    taking = next((name for name in ("--grid", "--param") if name in known), None)
    if taking is None or get_close_matches(option, known, n=1, cutoff=_LIKE):
        return ""
    return f"a parameter of the strategy goes into {taking} {option.lstrip('-')}=...; "


def check_output(file: Path) -> None:
    """Make the folder of a file that will be written, so that a wrong path is known before the work.

    Raises
    ------
    ConfigError
        The path is a folder.
    StoreError
        The folder cannot be made.
    """
    if file.is_dir():
        raise ConfigError(f"expected a file to write; got the folder {str(file)!r}; add a file name")
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
