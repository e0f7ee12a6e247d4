"""The table ``[order_book]`` of a TOML file: the rules of the order book and what else its run needs.

>>> table = OrderBookTable(preset="backtrader", latency=1)
>>> table.rules().stop_limit, table.rules().latency
('close_direction', 1)
>>> OrderBookTable(latnecy=1)
Traceback (most recent call last):
peak_fast.errors.ConfigError: order_book.latnecy: no such setting; did you mean 'latency'?

Fields of `OrderRules` and `Asset` have the same names here.  One that is not given keeps the value of the preset, else
its default.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, get_type_hints

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.settings.fields import Limits, before
from peak_fast.settings.frozen import Settings
from peak_fast.settings.funding import check_funding
from peak_fast.settings.order_rules import Asset, OrderRules
from peak_fast.settings.presets import preset_rules

PRESETS = ("backtesting_py", "backtrader", "peak_trade_legacy", "peak_trade_pipeline")
"""Functions of `peak_fast.settings` that give order rules."""


def _table(name: str, base: type[Settings], kind: type) -> Any:
    """Settings under a name with the fields of a dataclass besides those of a base; None: not given."""
    hints = {field: hint | None for field, hint in get_type_hints(kind).items()}
    made: Any = type(base)
    return made(name, (base,), {**dict.fromkeys(hints), "__annotations__": hints, "__module__": __name__})


def _given(table: Settings, kind: type) -> dict[str, Any]:
    """What a table says of the fields of a dataclass."""
    values = {item.name: getattr(table, item.name) for item in fields(kind)}
    return {name: value for name, value in values.items() if value is not None}


@contextlib.contextmanager
def _named(table: str) -> Iterator[None]:
    """Put the table before an error of the object that it becomes."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{table}: {error}") from None


class _AssetBase(Settings):
    def model_post_init(self, context: Any, /) -> None:
        """Say at once what is wrong."""
        self.asset()

    def asset(self) -> Asset:
        """The asset."""
        with _named("order_book.asset"):
            return Asset(**_given(self, Asset))


class _TableBase(Settings):
    """What a book is made of besides the fields of `OrderRules`; see `peak_fast.settings.OrderBook`."""

    preset: Literal["backtesting_py", "backtrader", "peak_trade_legacy", "peak_trade_pipeline"] | None = None
    entry_limit: Annotated[float, Limits(ge=0, lt=1)] | None = None
    entry_bars: Annotated[int, Limits(ge=1)] | None = None
    half_spread: Annotated[float, Limits(ge=0, allow_inf_nan=False)] | None = None
    funding: Annotated[float, Limits(allow_inf_nan=False)] | None = None
    funding_times: str | list[str] | None = None
    session_end: str | None = None
    book_size: Annotated[int, Limits(ge=1)] = 4096
    asset: Any = None

    @classmethod
    @before("preset")
    def _known(cls, name: Any) -> Any:
        """A preset by its name, with the near ones where there is none."""
        if name == "vectorbt":
            raise ConfigError(
                "order_book.preset: 'vectorbt' has rules for signals of several assets (simulate_signals); expected "
                f"one of {', '.join(PRESETS)}"
            )
        if isinstance(name, str) and name not in PRESETS:
            raise ConfigError(f"order_book.preset: no preset {name!r}; {did_you_mean(name, PRESETS)}")
        return name

    @classmethod
    @before("asset")
    def _asset(cls, given: Any) -> Any:
        """A table of its own."""
        if given is None or isinstance(given, _AssetBase):
            return given
        if not isinstance(given, dict):
            raise ConfigError(f"order_book.asset: expected a table such as {{tick = 0.25}}; got {given!r}")
        return AssetTable(**given)

    def model_post_init(self, context: Any, /) -> None:
        """Say at once what is wrong."""
        self.rules()
        check_funding(self.funding, self.funding_times, "order_book.")
        if self.entry_bars is not None and self.entry_limit is None:
            raise ConfigError(
                f"order_book.entry_bars: expected entry_limit with it; got {self.entry_bars!r} alone"
            )

    def rules(self) -> OrderRules:
        """The rules: those of the preset, and over them what the table says."""
        base = OrderRules() if self.preset is None else preset_rules(self.preset, {})
        with _named("order_book"):
            rules: OrderRules = replace(base, **_given(self, OrderRules))
        return rules

    def others(self) -> Iterator[tuple[str, Any]]:
        """Arguments of `OrderBook` besides the rules."""
        for name in _TableBase.model_fields:
            if name == "asset":
                yield name, None if self.asset is None else self.asset.asset()
            elif name != "preset":
                yield name, getattr(self, name)


AssetTable = _table("order_book.asset", _AssetBase, Asset)
OrderBookTable = _table("order_book", _TableBase, OrderRules)
