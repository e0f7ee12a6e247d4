"""Checks of the settings of order-level runs: every message says what was expected, what came, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, get_args

from peak_fast.arguments import is_number, shown
from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.settings.order_fields import FROM_ZERO, RATE, RULE_FIELDS, Bounds
from peak_kernels import order_slots as f

# `OrderRules`, which asks for these checks when it is made: they know its fields, not its class.
Rules = Any


def check_number(name: str, value: Any, bounds: Bounds = FROM_ZERO) -> None:
    """Check that a setting is a number within bounds.

    Raises
    ------
    ConfigError
        It is not.
    """
    left, low, high, right = bounds
    if not is_number(value):
        raise ConfigError(f"{name} must be a number, got {shown(value)}")
    number = float(value)
    above = number >= low if left == "[" else number > low
    below = number <= high if right == "]" else number < high
    if above and below:
        return
    if math.isinf(number):
        raise ConfigError(f"{name} must be finite, got {value!r}")
    if high == math.inf:
        bound = "a number" if low == -math.inf else f"{'>=' if left == '[' else '>'} {low:g}"
        raise ConfigError(f"{name} must be {bound}, got {value!r}")
    hint = "; 3 per cent is 0.03" if "borrow_" in name and number >= high else ""
    raise ConfigError(f"{name} must lie in {left}{low:g}, {high:g}{right}, got {value!r}{hint}")


def check_field(name: str, hint: Any, value: Any) -> None:
    """Check one field of `OrderRules` against its annotation and range.

    Raises
    ------
    ConfigError
        Another type, an unknown word, or a number out of range.
    """
    choices = get_args(hint)
    if choices and all(isinstance(choice, str) for choice in choices):
        if not isinstance(value, str) or value not in choices:
            raise ConfigError(f"{name}={value!r}: {did_you_mean(str(value), choices)}")
    elif hint is bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be True or False, got {value!r}")
    elif name == "fee_tiers":
        _check_tiers(value)
    elif not (value is None and name == "maker_rate"):
        check_number(name, value, RULE_FIELDS[name].bounds)
        if hint is int and not isinstance(value, Integral):
            raise ConfigError(f"{name} must be a whole number, got {value!r}")


def _check_tiers(tiers: Any) -> None:
    shape = "fee_tiers must be pairs of traded value and rate, such as ((0, 0.001), (1e6, 0.0005))"
    try:
        pairs = [tuple(pair) for pair in tiers]
    except TypeError:
        raise ConfigError(f"{shape}, got {tiers!r}") from None
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigError(f"{shape}, got {tiers!r}")
    for value, rate in pairs:
        check_number("fee_tiers: a traded value", value)
        check_number("fee_tiers: a rate", rate, RATE)
    values = [value for value, _ in pairs]
    if sorted(set(values)) != values:
        raise ConfigError(f"fee_tiers must rise in the traded value, got {values}: sort them")
    if len(pairs) > f.MAX_TIERS:
        raise ConfigError(f"fee_tiers has {len(pairs)} tiers, the most is {f.MAX_TIERS}")


def check_together(rules: Rules) -> None:
    """Check settings that depend on each other.

    Raises
    ------
    ConfigError
        A setting that lacks another one, or contradicts it.
    """
    lowest = min(
        rules.fee_rate, rules.maker_rate or 0.0, *(rate for _, rate in rules.fee_tiers), rules.fee_rate
    )
    if lowest < 0.0 < rules.fee_minimum:
        raise ConfigError(
            f"a rate of {lowest!r} is a rebate, which fee_minimum={rules.fee_minimum!r} would take away: "
            "give one of the two"
        )
    if rules.hedging and rules.ledger == "paid":
        raise ConfigError("hedging=True keeps lots of both sides, which needs ledger='settled'")
    if rules.ledger == "settled" and rules.merge_fills:
        raise ConfigError("ledger='settled' books each lot by itself: give merge_fills=False with it")
    if rules.slippage == "fraction" and rules.slippage_amount >= 1.0:
        raise ConfigError(
            f"slippage='fraction' needs a slippage_amount below 1, got {rules.slippage_amount!r}: 0.001 is 10 bps"
        )
    _check_volume(rules)


def check_effects(rules: Rules) -> None:
    """Refuse numbers that say nothing without another setting.

    For runs of one set of rules: an axis of a sweep may turn a rule off whose number stays.

    Raises
    ------
    ConfigError
        A number has no effect.
    """
    for name, needed, without in (
        (
            "slippage_amount",
            "a model: slippage='fraction', 'absolute' ...",
            rules.slippage in ("none", "half_spread"),
        ),
        ("slippage_extra", "slippage='fraction'", rules.slippage != "fraction"),
        ("volume_amount", "a limit: volume='share', 'fixed' or 'range'", rules.volume == "any"),
        ("volume_step", "volume='range'", rules.volume != "range"),
        ("liquidation_fee", "maintenance > 0 or ruin=True", rules.maintenance == 0.0 and not rules.ruin),
    ):
        if without and getattr(rules, name) != 0.0:
            raise ConfigError(f"{name}={getattr(rules, name)!r} has no effect without {needed}")
    if rules.volume != "any" and not rules.volume_amount > 0.0:
        raise ConfigError(f"volume={rules.volume!r} needs volume_amount > 0: without it nothing can fill")
    if rules.limit_chance != 1.0 and rules.limit_fill != "chance":
        raise ConfigError(f"limit_chance={rules.limit_chance!r} has no effect without limit_fill='chance'")


def _check_volume(rules: Rules) -> None:
    if rules.volume == "range" and not rules.volume_step > 0.0:
        raise ConfigError("volume='range' needs volume_step > 0, the price step that shares the volume")
    if rules.volume in ("share", "range") and rules.volume_amount > 100.0:
        raise ConfigError(
            f"volume_amount is a percentage with volume={rules.volume!r}, at most 100; got {rules.volume_amount!r}"
        )


def check_kind(name: str, value: Any, kind: type) -> None:
    """Check that an argument is of a class, or None.

    Raises
    ------
    ConfigError
        It is something else.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{name}: expected {kind.__name__}; got {type(value).__name__}")


def check_cash(value: Any) -> None:
    """Check the initial cash.

    Raises
    ------
    ConfigError
        It is no positive number.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 < float(value) < math.inf:
        raise ConfigError(f"initial_cash must be > 0 and finite, got {value!r}")


def check_book_size(value: Any) -> None:
    """Check the number of live orders that a book can hold.

    Raises
    ------
    ConfigError
        It is no positive whole number.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ConfigError(f"book_size must be >= 1, a whole number, got {value!r}")


def check_assets(assets: Any, names: tuple[str, ...], kind: type) -> None:
    """Check the assets of a run: one for all, or a dict by name.

    Raises
    ------
    ConfigError
        Something else, or the name of an asset that has no bars.
    """
    if assets is None or isinstance(assets, kind):
        return
    if not isinstance(assets, Mapping):
        raise ConfigError(
            f"assets: expected an Asset, or a dict of name to Asset; got {type(assets).__name__}"
        )
    for name, asset in assets.items():
        if name not in names:
            raise ConfigError(f"assets names {name!r}, which has no bars; known: {', '.join(names)}")
        check_kind(f"assets[{name!r}]", asset, kind)


def check_half_spread(rules: Rules, half_spread: Any) -> None:
    """Check that a spread is given where it is used, and only there.

    Raises
    ------
    ConfigError
        One of both is missing.
    """
    if rules.slippage == "half_spread" and half_spread is None:
        raise ConfigError("slippage='half_spread' needs half_spread=: a number, or one for each bar")
    if rules.slippage != "half_spread" and half_spread is not None:
        raise ConfigError(
            f"half_spread has no effect with slippage={rules.slippage!r}: give OrderRules(slippage='half_spread')"
        )
