"""Settings: their values, their errors, their TOML, and the slots of the kernel they end up in."""

import math

import numpy as np
import pytest

from peak_fast import (
    BacktestEngine,
    Costs,
    Execution,
    FixedUnits,
    FixedValue,
    FractionOfEquity,
    KellyFraction,
    RiskLimits,
    RiskPerTrade,
    Stops,
    VolatilityTarget,
    synthetic,
)
from peak_fast.errors import ConfigError
from peak_fast.settings.slots import settings_vector
from peak_fast.settings.variable import VARIABLE
from peak_kernels import slots as t

NAMES = [
    (name, slot)
    for slot, name in sorted(
        (value, name)
        for name, value in vars(t).items()
        if name.isupper() and isinstance(value, int) and not isinstance(value, bool)
    )
]


def vector(**changed):
    given = {
        "initial_cash": 1000.0,
        "execution": Execution(),
        "costs": Costs(),
        "stops": Stops(),
        "sizing": FractionOfEquity(),
        "risk_limits": RiskLimits(),
        "periods_per_year": 252.0,
    }
    return settings_vector(**{**given, **changed})


def changed_slots(**changed):
    """Slots that differ from the default settings, with their values."""
    before, after = vector(), vector(**changed)
    return {int(slot): float(after[slot]) for slot in np.flatnonzero(before != after)}


class TestSlots:
    """Each setting lands in its slot and in no other."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"initial_cash": 7.0}, {t.INITIAL_CASH: 7.0}),
            ({"execution": Execution(fill_at="close")}, {t.FILL_AT_CLOSE: 1.0}),
            ({"execution": Execution(both_hit="target_first")}, {t.BOTH_HIT: 1.0}),
            ({"execution": Execution(both_hit="nearest_to_open")}, {t.BOTH_HIT: 2.0}),
            ({"execution": Execution(entry_bar_stops=False)}, {t.ENTRY_BAR_STOPS: 0.0}),
            ({"execution": Execution(lot_size=3)}, {t.LOT_SIZE: 3.0}),
            ({"execution": Execution(min_size=2)}, {t.MIN_SIZE: 2.0}),
            ({"execution": Execution(leverage=4)}, {t.LEVERAGE: 4.0}),
            ({"costs": Costs(rate=0.01)}, {t.RATE: 0.01, t.MAKER_RATE: 0.01}),
            ({"costs": Costs(rate=0.01, maker_rate=0.0)}, {t.RATE: 0.01}),
            ({"costs": Costs(fixed=2)}, {t.FEE_FIXED: 2.0}),
            ({"costs": Costs(minimum=3)}, {t.FEE_MINIMUM: 3.0}),
            ({"costs": Costs(per_unit=0.5)}, {t.FEE_PER_UNIT: 0.5}),
            ({"costs": Costs(slippage_bps=3)}, {t.SLIPPAGE_RATE: 0.0003}),
            ({"costs": Costs(slippage_abs=0.25)}, {t.SLIPPAGE_ABSOLUTE: 0.25}),
            ({"stops": Stops(stop_loss=0.1)}, {t.STOP_LOSS: 0.1}),
            ({"stops": Stops(take_profit=0.2)}, {t.TAKE_PROFIT: 0.2}),
            ({"stops": Stops(trailing=0.3)}, {t.TRAILING: 0.3}),
            ({"stops": Stops(unit="absolute")}, {t.STOP_ABSOLUTE: 1.0}),
            ({"stops": Stops(watermark="close")}, {t.WATERMARK: 1.0}),
            ({"stops": Stops(watermark="high")}, {t.WATERMARK: 2.0}),
            ({"stops": Stops(watermark="low")}, {t.WATERMARK: 3.0}),
            ({"sizing": FractionOfEquity(fraction=0.5)}, {t.SIZE_VALUE: 0.5}),
            ({"sizing": FixedUnits(units=5)}, {t.SIZE_MODE: t.SIZE_UNITS, t.SIZE_VALUE: 5.0}),
            ({"sizing": FixedValue(value=6)}, {t.SIZE_MODE: t.SIZE_NOTIONAL, t.SIZE_VALUE: 6.0}),
            (
                {
                    "sizing": RiskPerTrade(risk=0.02, max_position=2, min_value=9),
                    "stops": Stops(trailing=0.3),
                },
                {
                    t.TRAILING: 0.3,
                    t.SIZE_MODE: t.SIZE_RISK,
                    t.SIZE_VALUE: 0.02,
                    t.SIZE_MAX_POSITION: 2.0,
                    t.SIZE_MIN_VALUE: 9.0,
                },
            ),
            (
                {"sizing": VolatilityTarget(volatility=0.3, window=30, max_fraction=2, fallback=0.1)},
                {
                    t.SIZE_MODE: t.SIZE_VOLATILITY,
                    t.SIZE_VALUE: 0.3,
                    t.SIZE_WINDOW: 30.0,
                    t.SIZE_MAX_POSITION: 2.0,
                    t.SIZE_FALLBACK: 0.1,
                    t.SIZE_YEAR: 252.0,
                },
            ),
            (
                {
                    "sizing": KellyFraction(
                        share=0.25, min_trades=7, fallback=0.2, min_fraction=0.05, max_fraction=3
                    )
                },
                {
                    t.SIZE_MODE: t.SIZE_KELLY,
                    t.SIZE_VALUE: 0.25,
                    t.SIZE_WINDOW: 7.0,
                    t.SIZE_FALLBACK: 0.2,
                    t.SIZE_LEAST: 0.05,
                    t.SIZE_MAX_POSITION: 3.0,
                },
            ),
            ({"risk_limits": RiskLimits(max_position=0.4)}, {t.MAX_POSITION: 0.4}),
            ({"risk_limits": RiskLimits(max_drawdown=0.5)}, {t.MAX_DRAWDOWN_LIMIT: 0.5}),
            ({"risk_limits": RiskLimits(daily_loss=0.6)}, {t.DAILY_LOSS_LIMIT: 0.6}),
            ({"periods_per_year": 12.0}, {t.PERIODS_PER_YEAR: 12.0}),
            ({"risk_free": 0.1}, {t.RISK_FREE: 1.1 ** (1 / 252) - 1}),
            ({"weights": True}, {t.WEIGHT_TARGETS: 1.0}),
            ({"enter_only_flat": True}, {t.ENTER_ONLY_FLAT: 1.0}),
        ],
    )
    def test_a_setting_fills_its_slot(self, given, expected):
        assert changed_slots(**given) == pytest.approx(expected, rel=1e-15)

    def test_slots_are_distinct_and_dense(self):
        settings = {value for name, value in NAMES if name not in _CODES and value < t.N_SETTINGS}
        assert settings == set(range(t.N_SETTINGS))
        state = [value for name, value in NAMES if t.N_SETTINGS <= value < t.N_STATE and name != "N_SETTINGS"]
        assert sorted(state) == list(range(t.N_SETTINGS, t.N_STATE))

    def test_defaults(self):
        base = vector()
        on = {t.INITIAL_CASH, t.ENTRY_BAR_STOPS, t.SIZE_VALUE, t.LEVERAGE, t.PERIODS_PER_YEAR}
        assert set(np.flatnonzero(base)) == on


# Names of `types` that number something else than slots of the state.
_CODES = {
    "OPEN", "HIGH", "LOW", "CLOSE", "MARK", "NEXT_VALID", "DAY", "ORDERS", "FILLS", "TRADES", "RECORD_WIDTH",
    "CURVE_EQUITY", "CURVE_CASH", "CURVE_POSITION", "SIZE_FRACTION", "SIZE_UNITS", "SIZE_NOTIONAL", "SIZE_RISK",
    "SIZE_VOLATILITY", "SIZE_KELLY", "NO_ESTIMATE", "NO_EDGE",
    "SIGNAL", "STOPPED", "TARGET_REACHED", "TRAILED", "LIQUIDATED", "RISK_HALT", "STILL_OPEN", "FILLED", "CUT",
    "REJECTED", "CANCELLED", "UNFILLED", "NO_REASON", "CASH_LIMIT", "POSITION_LIMIT", "TOO_SMALL", "BELOW_VALUE",
    "DRAWDOWN_HALT", "DAILY_HALT", "REPLACED", "END_OF_DATA", "NO_CASH",
    "N_SETTINGS",
}  # fmt: skip


# What the public objects say for a value of each name that a sweep may vary.
VARIED = {
    "stop_loss": lambda v: {"stops": Stops(stop_loss=v)},
    "take_profit": lambda v: {"stops": Stops(take_profit=v)},
    "trailing": lambda v: {"stops": Stops(trailing=v)},
    "fee_rate": lambda v: {"costs": Costs(rate=v)},
    "fee_bps": lambda v: {"costs": Costs.from_bps(fee_bps=v)},
    "fee_fixed": lambda v: {"costs": Costs(fixed=v)},
    "fee_minimum": lambda v: {"costs": Costs(minimum=v)},
    "fee_per_unit": lambda v: {"costs": Costs(per_unit=v)},
    "slippage_bps": lambda v: {"costs": Costs(slippage_bps=v)},
    "slippage_abs": lambda v: {"costs": Costs(slippage_abs=v)},
    "size": lambda v: {"sizing": FractionOfEquity(fraction=v)},
    "max_position": lambda v: {"risk_limits": RiskLimits(max_position=v)},
    "max_drawdown_limit": lambda v: {"risk_limits": RiskLimits(max_drawdown=v)},
    "daily_loss_limit": lambda v: {"risk_limits": RiskLimits(daily_loss=v)},
    "leverage": lambda v: {"execution": Execution(leverage=v)},
    "initial_cash": lambda v: {"initial_cash": v},
}
# The same for names that belong to one sizing; (value, object with the value, object without it).
SIZED = {
    "size_window": (7, VolatilityTarget(window=7), VolatilityTarget()),
    "size_min_trades": (3, KellyFraction(min_trades=3), KellyFraction()),
    "size_fallback": (0.3, VolatilityTarget(fallback=0.3), VolatilityTarget()),
    "size_min_fraction": (0.6, KellyFraction(min_fraction=0.6), KellyFraction()),
    "size_max_fraction": (0.3, VolatilityTarget(max_fraction=0.3), VolatilityTarget()),
}


class TestVariable:
    """A name in a grid does to the kernel's settings what the settings object does, to the last bit."""

    def test_every_name_is_covered(self):
        assert {*VARIED, *SIZED} == set(VARIABLE)

    @pytest.mark.parametrize("name", sorted(SIZED))
    def test_a_name_of_a_sizing(self, name):
        from peak_fast.sweep import evaluate

        value, given, base = SIZED[name]
        slots, divisor = VARIABLE[name].slots, VARIABLE[name].unit
        expected = vector(sizing=base)
        expected[list(slots)] = value / divisor
        np.testing.assert_array_equal(vector(sizing=given), expected)
        assert (expected != vector(sizing=base)).sum() == len(slots)
        bars, params = synthetic(900, seed=4), {"fast": 3, "slow": 9}
        columns = {name: [value], **{key: [number] for key, number in params.items()}}
        metrics = ("final_equity", "sharpe", "rejected_orders")
        found = evaluate("ma_crossover", bars, columns, metrics=metrics, sizing=base)
        stats = BacktestEngine(sizing=given).run(bars, "ma_crossover", params).stats
        assert {m: float(found[m][0]) for m in metrics} == {m: stats[m] for m in metrics}
        plain = BacktestEngine(sizing=base).run(bars, "ma_crossover", params).stats
        assert plain["final_equity"] != stats["final_equity"]

    @pytest.mark.parametrize("name", sorted(VARIED))
    @pytest.mark.parametrize("value", [0.03, 0.7, 0.1 + 0.2])
    def test_a_name_changes_the_slots_it_says(self, name, value):
        slots, divisor = VARIABLE[name].slots, VARIABLE[name].unit
        expected = vector()
        expected[list(slots)] = value / divisor
        np.testing.assert_array_equal(vector(**VARIED[name](value)), expected)
        assert changed_slots(**VARIED[name](value)).keys() == set(slots)

    @pytest.mark.parametrize("name", sorted(VARIED))
    def test_a_swept_value_is_the_single_run(self, name):
        from peak_fast.sweep import evaluate

        bars = synthetic(300, seed=4)
        value = 0.03
        params = {"fast": 3, "slow": 9, "allow_short": True}
        metrics = ("final_equity", "sharpe", "total_fees", "total_orders")
        found = evaluate(
            "ma_crossover", bars, {name: [value], **{k: [v] for k, v in params.items()}}, metrics=metrics
        )
        single = BacktestEngine(**{"initial_cash": 100_000.0, **VARIED[name](value)})
        stats = single.run(bars, "ma_crossover", params).stats
        assert {m: float(found[m][0]) for m in metrics} == {m: stats[m] for m in metrics}


def test_a_size_names_its_unit_and_needs_no_second_name():
    assert FractionOfEquity(0.5) == FractionOfEquity(fraction=0.5)
    assert FixedUnits(7) == FixedUnits(units=7)
    assert RiskPerTrade(0.02, 0.5, min_value=100) == RiskPerTrade(risk=0.02, max_position=0.5, min_value=100)


class TestErrors:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: Execution(fill_at="now"),
                r"Execution\.fill_at: expected 'next_open' or 'close'; got 'now'",
            ),
            (lambda: Execution(leverage=0), r"Execution\.leverage: expected greater than 0; got 0"),
            (lambda: Costs(rate=1), r"Costs\.rate: expected less than 1; got 1"),
            (lambda: Costs(rate=math.nan), r"Costs\.rate: expected .*finite.*; got nan"),
            (lambda: Costs(slippage_bps=-1), r"Costs\.slippage_bps: expected greater than or equal to 0"),
            (lambda: Costs(comission=1), r"Costs\.comission: no such setting"),
            (lambda: Stops(stop_loss=0), r"Stops\.stop_loss: expected greater than 0"),
            (lambda: Stops(trailing=1.5), r"Stops\.trailing: expected a fraction below 1 \(0\.02 is 2 %\)"),
            (lambda: FixedUnits(), r"FixedUnits\.units"),
            (lambda: RiskPerTrade(risk=2), r"RiskPerTrade\.risk: expected less than or equal to 1; got 2"),
            (lambda: RiskLimits(max_drawdown=0), r"RiskLimits\.max_drawdown"),
            (
                lambda: BacktestEngine(sizing=0.5),
                r"sizing: expected a size such as .*\(0\.5\); got float",
            ),
            (lambda: Costs(0.001), r"Costs: expected settings by name; got 0\.001; write rate=\.\.\."),
            (lambda: Costs.from_bps(fee_bps="10"), r"fee_bps: expected a number of basis points"),
            (lambda: FixedUnits(1, units=2), r"FixedUnits: expected each of units once"),
            (lambda: FixedValue(1, 2), r"FixedValue: expected each of value once"),
            (lambda: RiskPerTrade(2), r"RiskPerTrade\.risk: expected less than or equal to 1; got 2"),
            (
                lambda: BacktestEngine(risk_free=-1),
                r"risk_free: expected a yearly rate above -1 and below 1; got -1",
            ),
            (lambda: BacktestEngine(periods_per_year=0), r"periods_per_year"),
        ],
    )
    def test_one_clear_line(self, make, message):
        with pytest.raises(ConfigError, match=message) as caught:
            engine = make()
            engine.run(synthetic(10, seed=0), "momentum")  # sizing is looked at when it is used
        assert "\n" not in str(caught.value)

    def test_absolute_distances_may_exceed_one(self):
        assert Stops(stop_loss=5.0, unit="absolute").stop_loss == 5.0

    def test_settings_are_frozen_and_compare_by_value(self):
        with pytest.raises(Exception, match="frozen"):
            Costs().rate = 0.1
        assert Costs(rate=0.1) == Costs(rate=0.1)
        assert hash(Stops(stop_loss=0.1)) == hash(Stops(stop_loss=0.1))
