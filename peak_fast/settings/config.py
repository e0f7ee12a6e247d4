"""Settings of a backtest: frozen, validated once, the same in Python and in TOML.

>>> costs = Costs(rate=0.001, slippage_bps=5)
>>> Stops(stop_loss=0.02, trailing=0.05).trailing
0.05
>>> Execution(fill_at="tomorrow")
Traceback (most recent call last):
peak_fast.errors.ConfigError: Execution.fill_at: expected 'next_open' or 'close'; got 'tomorrow'

`BacktestConfig` groups them as the tables of a TOML file: ``[execution]``, ``[costs]``, ``[stops]``,
``[sizing]``, ``[risk_limits]``, ``[tracking]``, ``[order_book]``, ``[portfolio]``, ``[financing]``,
``[rank]``, ``[sweep]``, ``[data]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from peak_fast.arguments import place
from peak_fast.errors import ConfigError
from peak_fast.guard import guarded
from peak_fast.masking import mask
from peak_fast.settings.base import Limits, Positive
from peak_fast.settings.data_table import DataTable
from peak_fast.settings.fields import Slot, before, fresh
from peak_fast.settings.frozen import Settings as Settings
from peak_fast.settings.sizing import AnySizing, FractionOfEquity
from peak_fast.settings.trading import Costs, Execution, RiskLimits, Stops
from peak_kernels import slots as t


class MLflowTracking(Settings):
    """``[tracking.mlflow]``: see `peak_fast.tracking.MLflowTracker`."""

    tracking_uri: str | None = None
    experiment_name: str = "peak_fast"
    auto_start_run: bool = False
    run_name: str | None = None
    mode: Literal["background", "sync"] = "background"
    artifacts: Literal["report", "full", "light", "none"] = "full"
    tags: dict[str, str] = fresh(dict)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What is shown of the settings; a password of the address is not."""
        for name, value in super().__repr_args__():
            yield name, mask(value) if name == "tracking_uri" and value is not None else value


class Tracking(Settings):
    """``[tracking]``: which tracker records the runs."""

    enabled: bool = False
    backend: str = "noop"
    mlflow: MLflowTracking = MLflowTracking()


class SweepTable(Settings):
    """``[sweep]``: what ``peak-fast sweep`` runs where its options do not say it.

    Parameters
    ----------
    strategy
        Name, or ``FILE.py[:NAME]``.
    grid
        Values by parameter or setting: a list, one value, or a text as of ``--grid``, such as ``"5:100:5"``.
    metrics
        Columns of the result.
    constraint
        Conditions such as ``"fast < slow"``.
    """

    strategy: str | None = None
    grid: dict[str, Any] = fresh(dict)
    metrics: list[str] = fresh(list)
    constraint: str | list[str] | None = None


class BacktestConfig(Settings):
    """All settings of a backtest as the tables of one TOML file.

    ``order_book`` is None for the fast path, or a `peak_fast.settings.order_table.OrderBookTable` (a dict becomes one);
    ``portfolio`` are `PortfolioRules` and ``financing`` is `Financing` (dicts become them);
    ``rank`` is what ``--strategy rank`` holds (`Rank.from_table`).
    """

    initial_cash: Annotated[Positive, Slot((t.INITIAL_CASH,), "initial_cash")] = 100_000.0
    execution: Execution = Execution()
    costs: Costs = Costs()
    stops: Stops = Stops()
    sizing: AnySizing = FractionOfEquity()
    risk_limits: RiskLimits = RiskLimits()
    tracking: Tracking = Tracking()
    sweep: SweepTable = SweepTable()
    data: DataTable = DataTable()
    periods_per_year: Positive | None = None
    risk_free: Annotated[float, Limits(gt=-1, lt=1, allow_inf_nan=False)] = 0.0
    use_execution_pipeline: bool = True
    order_book: Any = None
    portfolio: Any = None
    financing: Any = None
    rank: Any = None

    @classmethod
    @before("rank")
    def _rank(cls, given: Any) -> Any:
        """A rule of a panel, whose model is made where one is given."""
        if given is None:
            return None
        from peak_fast.settings.rank_table import read_rank

        return read_rank(given)

    @classmethod
    @before("financing")
    def _financing(cls, given: Any) -> Any:
        """What an account of a panel pays and gets, whose tables are read where some is given."""
        if given is None:
            return None
        from peak_fast.settings.financing_table import read_financing

        return read_financing(given)

    @classmethod
    @before("portfolio")
    def _portfolio(cls, given: Any) -> Any:
        """Rules of portfolios, whose model is made where some are given."""
        if given is None:
            return None
        from peak_fast.settings.portfolio_rules import PortfolioRules

        if isinstance(given, PortfolioRules):
            return given
        if not isinstance(given, dict):
            raise ConfigError(
                f"portfolio: expected a table of settings, such as {{'band': 0.01}}; got {type(given).__name__}"
            )
        return PortfolioRules(**given)

    @classmethod
    @before("order_book")
    def _order_book(cls, given: Any) -> Any:
        """A table of its own, whose model is made where one is given."""
        if given is None:
            return None
        from peak_fast.settings.order_table import OrderBookTable

        if isinstance(given, OrderBookTable):
            return given
        if not isinstance(given, dict):
            raise ConfigError(
                "order_book: expected a table of settings, such as {'latency': 1}; got "
                f"{type(given).__name__}; BacktestEngine(order_book=...) takes objects"
            )
        return OrderBookTable(**given)

    @classmethod
    @guarded
    def from_toml(cls, path: str | Path) -> BacktestConfig:
        """Read a TOML file.

        Raises
        ------
        ConfigError
            The file is missing or not TOML, or a setting is unknown or wrong.
        """
        import tomllib

        try:
            with place("path", path, "settings.toml").open("rb") as file:
                values = tomllib.load(file)
        except FileNotFoundError:
            raise ConfigError(f"no settings file at {str(path)!r}; expected a TOML file") from None
        except OSError as error:
            raise ConfigError(f"expected a TOML file of settings; {str(path)!r}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{str(path)!r} is not valid TOML: {error}") from None
        return cls(**values)
