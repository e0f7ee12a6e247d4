"""A plain ``peak-fast run``, read without the parser, and what both ways of reading a line share.

A line whose words are all of a form that can be read in one way only is read here; any other, wrong ones above all,
is for the parser, so help and errors are its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError
from peak_fast.masking import masked

_NUMBER = re.compile(r"\d+(\.\d+)?")
_VALUES: dict[str, Callable[[str], Any]] = {
    "data": str, "strategy": str, "config": Path, "cash": float, "fee-bps": float, "slippage-bps": float, "out": Path,
}  # fmt: skip
_REQUIRED = {"data", "strategy"}


def plain_run(arguments: list[str]) -> dict[str, Any] | None:
    """Arguments of `single.run_single`; None: the line is not of the plain form."""
    if len(arguments) % 2 == 0 or arguments[0] != "run":
        return None
    given: dict[str, Any] = {"param": []}
    for option, text in zip(arguments[1::2], arguments[2::2], strict=True):
        name = option.removeprefix("--")
        kind = _VALUES.get(name)
        if not option.startswith("--") or text.startswith("-") or (name in given and name != "param"):
            return None
        if name == "param":
            given["param"].append(text)
        elif kind is None or (kind is float and not _NUMBER.fullmatch(text)):
            return None
        else:
            given[name] = kind(text)
    return (
        {name.replace("-", "_"): value for name, value in given.items()}
        if given.keys() >= _REQUIRED
        else None
    )


def check_values(arguments: list[str]) -> None:
    """Refuse empty values: as a path one would mean the folder one is in."""
    for before, text in pairwise(["", *arguments]):
        if not text or (text.startswith("--") and text.endswith("=")):
            raise ConfigError(f"{text or before}: expected a value; got an empty text; leave the option out")


def stop(message: str, code: int) -> None:
    """End the process with one line on standard error."""
    print(masked(f"peak-fast: {message}"), file=sys.stderr)
    sys.exit(code)
