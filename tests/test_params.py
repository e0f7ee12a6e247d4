"""Param schemas: values, constraints, conditions, grids, Optuna distributions, the table."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import StrategyError
from peak_fast.params import schema as p
from peak_fast.params.constraints import Constraint
from peak_fast.params.parameter import Param

FAST = Param("fast", "int", 20, low=5, high=100, step=5, description="bars | fast")
SLOW = Param("slow", "int", 50, low=20, high=300, step=10)
RATE = Param("rate", "float", 0.1, low=0.01, high=1.0, log=True)
USE = Param("use_filter", "bool", False)
LENGTH = Param("length", "int", 14, low=2, high=50, when={"use_filter": True})
MODE = Param("mode", "choice", "sma", choices=("sma", "ema", "wma"))
SCHEMA = (FAST, SLOW, RATE, USE, LENGTH, MODE)


# --- one value ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("param", "value", "expected"),
    [
        (FAST, 7, 7),
        (FAST, 7.0, 7),
        (FAST, np.int32(9), 9),
        (FAST, np.float64(10.0), 10),
        (FAST, np.array(11), 11),
        (RATE, 1, 1.0),
        (RATE, np.float32(0.5), 0.5),
        (USE, np.bool_(True), True),
        (USE, 1.0, True),
        (USE, 0, False),
        (MODE, np.str_("ema"), "ema"),
    ],
)
def test_validate_value_returns_plain_values(param, value, expected):
    got = param.validate_value(value)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("param", "value", "words"),
    [
        (FAST, 7.5, ["'fast'", "expected a whole number", "got 7.5", "round it"]),
        (FAST, 0, ["expected 1 <= fast <= 10,000,000", "got 0", "choose", "another hard_low"]),
        (FAST, 10_000_001, ["expected 1 <= fast <= 10,000,000", "got 10000001", "another hard_high"]),
        (FAST, True, ["expected a whole number", "got True (bool)"]),
        (FAST, "20", ["expected a whole number", "got '20' (str)"]),
        (FAST, None, ["expected a whole number", "got None"]),
        (RATE, float("nan"), ["expected a finite number", "got nan"]),
        (RATE, float("inf"), ["expected a finite number", "got inf"]),
        (RATE, [1, 2], ["expected a number", "got [1, 2] (list)"]),
        (USE, "yes", ["expected True or False", "got 'yes' (str)"]),
        (USE, 2, ["expected True or False", "got 2"]),
        (MODE, "hma", ["expected one of 'sma', 'ema', 'wma'", "got 'hma'", "pick one"]),
    ],
)
def test_wrong_values_say_expected_got_remedy(param, value, words):
    with pytest.raises(StrategyError) as caught:
        param.validate_value(value)
    for word in words:
        assert word in str(caught.value)


def test_true_and_one_are_different_choices():
    param = Param("x", "choice", True, choices=(True, 1, "1"))
    assert param.validate_value(1) is not True
    assert param.validate_value(True) is True
    assert param.validate_value("1") == "1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "two words", "kind": "int", "default": 1}, "identifier"),
        ({"name": "x", "kind": "integer", "default": 1}, "did you mean 'int'"),
        ({"name": "x", "kind": "int", "default": 1, "low": 3, "high": 2}, "swap them"),
        ({"name": "x", "kind": "int", "default": 9, "low": 1, "high": 5}, "expected 1 <= x <= 5"),
        ({"name": "x", "kind": "int", "default": 2, "low": 0.5, "high": 5}, "whole number as low"),
        ({"name": "x", "kind": "float", "default": 1.0, "low": 0, "high": 5, "log": True}, "low > 0"),
        ({"name": "x", "kind": "float", "default": 1.0, "low": 1, "high": 5, "step": -1}, "step > 0"),
        (
            {"name": "x", "kind": "float", "default": 1.0, "low": 1, "high": 5, "step": 1, "log": True},
            "either",
        ),
        ({"name": "x", "kind": "float", "default": 1.0, "low": float("nan")}, "finite number"),
        ({"name": "x", "kind": "choice", "default": 1}, "at least one choice"),
        ({"name": "x", "kind": "choice", "default": 1, "choices": (1, 1)}, "distinct"),
        ({"name": "x", "kind": "choice", "default": (1,), "choices": ((1,), (2,))}, "text, numbers"),
        ({"name": "x", "kind": "choice", "default": 1, "choices": (1, 2), "low": 0}, "no range"),
        ({"name": "x", "kind": "bool", "default": True, "choices": (True,)}, "kind='choice'"),
        ({"name": "x", "kind": "int", "default": 1, "choices": (1, 2)}, "kind='choice'"),
    ],
)
def test_definitions_that_contradict_themselves(arguments, words):
    with pytest.raises(StrategyError, match=words.replace("(", r"\(")):
        Param(**arguments)


def test_a_param_is_frozen_hashable_and_can_be_pickled():
    with pytest.raises(AttributeError):
        FAST.low = 1
    assert pickle.loads(pickle.dumps(LENGTH)) == LENGTH
    assert len({FAST, SLOW, LENGTH, LENGTH}) == 3


@pytest.mark.parametrize(
    ("param", "text", "expected"),
    [
        (FAST, " 30 ", 30),
        (FAST, "30.0", 30),
        (RATE, "1e-1", 0.1),
        (USE, "Yes", True),
        (USE, "off", False),
        (MODE, "ema", "ema"),
        (Param("n", "choice", 1, choices=(1, 2.5, None)), "2.5", 2.5),
    ],
)
def test_parse_reads_command_line_text(param, text, expected):
    assert param.parse(text) == expected


@pytest.mark.parametrize(
    ("param", "text"), [(FAST, "abc"), (FAST, "7.5"), (USE, "maybe"), (MODE, "x"), (RATE, "nan")]
)
def test_parse_refuses(param, text):
    with pytest.raises(StrategyError, match=param.name):
        param.parse(text)


# --- schemas -----------------------------------------------------------------------------------------------


def test_defaults_are_filled_and_order_is_the_schemas():
    got = p.validate_params(SCHEMA, {"slow": np.int64(60), "fast": 10})
    assert got == {"fast": 10, "slow": 60, "rate": 0.1, "use_filter": False, "length": 14, "mode": "sma"}
    assert list(got)[:3] == ["fast", "slow", "rate"]
    assert p.extract_defaults(SCHEMA) == p.validate_params(SCHEMA, None)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(StrategyError, match="got 'fats'; did you mean 'fast'"):
        p.validate_params(SCHEMA, {"fats": 10})


def test_constraint_violation_shows_the_values():
    with pytest.raises(StrategyError, match="expected fast < slow; got fast=60, slow=50"):
        p.validate_params(SCHEMA, {"fast": 60}, constraints=("fast < slow",))


@pytest.mark.parametrize(
    ("schema", "constraints", "words"),
    [
        ((FAST, FAST), None, "'fast' twice"),
        ((FAST, "slow"), None, "Param objects"),
        ((LENGTH,), None, "'use_filter'"),
        ((USE, Param("x", "int", 1, when={"use_filtr": True})), None, "did you mean 'use_filter'"),
        ((MODE, Param("x", "int", 1, when={"mode": "hma"})), None, "expected one of"),
        ((FAST, SLOW), ("fast < slwo",), "did you mean 'slow'"),
        (
            (Param("a", "bool", True, when={"b": True}), Param("b", "bool", True, when={"a": True})),
            None,
            "circle",
        ),
    ],
)
def test_schemas_that_are_refused(schema, constraints, words):
    with pytest.raises(StrategyError, match=words):
        p.validate_schema(schema, constraints)


def test_conditions_come_before_what_depends_on_them():
    assert [item.name for item in p.validate_schema((LENGTH, USE))] == ["use_filter", "length"]


def test_conditional_parameters_are_inactive_through_a_chain():
    schema = (USE, LENGTH, Param("deep", "int", 3, low=1, high=9, when={"length": (20, 30)}))
    on = {"use_filter": True, "length": 20, "deep": 7}
    off = {"use_filter": False, "length": 20, "deep": 7}
    assert p.active_names(schema, on) == ("use_filter", "length", "deep")
    assert p.active_names(schema, off) == ("use_filter",)
    assert p.canonical_params(schema, on) == on
    assert p.canonical_params(schema, off) == {"use_filter": False, "length": 14, "deep": 3}


def test_constraint_on_an_inactive_parameter_does_not_apply():
    constraints = p.parse_constraints("length < fast")
    schema = (FAST, USE, LENGTH)
    assert p.is_feasible(schema, constraints, {"fast": 5, "use_filter": False, "length": 40})
    assert not p.is_feasible(schema, constraints, {"fast": 5, "use_filter": True, "length": 40})
    columns = {"fast": np.array([5, 5]), "use_filter": np.array([False, True]), "length": np.array([40, 40])}
    assert p.feasible_mask(schema, constraints, columns).tolist() == [True, False]


def test_table_is_markdown():
    lines = p.schema_table(SCHEMA).splitlines()
    assert len(lines) == 2 + len(SCHEMA)
    assert lines[2] == r"| `fast` | int | `20` | 5 to 100, step 5 |  | bars \| fast |"
    assert lines[4].startswith("| `rate` | float | `0.1` | 0.01 to 1.0, log |")
    assert "`use_filter = True`" in lines[6]


# --- constraints -------------------------------------------------------------------------------------------

TEXTS = [
    "a < b",
    "a < b < c",
    "a + 2 * b <= c and not a == b",
    "a in (1, 2, 5) or b not in [3]",
    "abs(a - b) > 1",
    "min(a, b) < max(b, c, 4)",
    "a / b < 2",
    "a % b == 1 or a // b >= c",
    "-a < +b - 3",
    "a",
    "not a",
]


@pytest.mark.parametrize("text", TEXTS)
@given(rows=st.lists(st.tuples(*[st.integers(-6, 6)] * 3), min_size=1, max_size=20))
def test_columns_and_single_values_and_python_agree(text, rows):
    constraint = Constraint(text)
    columns = {name: np.array(column) for name, column in zip("abc", zip(*rows, strict=True), strict=True)}
    singles = [constraint.holds(dict(zip("abc", row, strict=True))) for row in rows]
    assert constraint.mask(columns).tolist() == singles
    for row, single in zip(rows, singles, strict=True):
        if row[1] != 0 or ("/" not in text and "%" not in text):
            scope = dict(zip("abc", row, strict=True))
            assert bool(eval(text, {"abs": abs, "min": min, "max": max}, scope)) == single


def test_division_by_zero_is_not_met_in_either_form():
    constraint = Constraint("a / b < 2")
    assert not constraint.holds({"a": 1, "b": 0})
    assert constraint.mask({"a": np.array([1, 1]), "b": np.array([0, 1])}).tolist() == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b < 2",
        "a[0] < 1",
        "lambda: 1",
        "a <",
        "",
        "a if b else a",
        "f(a) < 1",
        "a < b)",
        "a < 2 ** 9",
        "abs(a, b) < 1",
        "[x for x in a]",
        "a + b",
        "a < b'x'",
        "a is b",
        "a in (b, 1)",
        "min() < 1",
    ],
)
def test_anything_but_conditions_is_refused(text):
    with pytest.raises(StrategyError, match="expected a condition"):
        Constraint(text)


def test_excess_is_the_distance_from_the_condition():
    assert Constraint("a + 1 < b").excess({"a": 5, "b": 2}) == 4
    assert Constraint("a >= 30").excess({"a": 12}) == 18
    assert Constraint("a >= 30").excess({"a": 40}) == -10
    assert Constraint("a == 30").excess({"a": 40}) == 1
    assert Constraint("1 < a < 30").excess({"a": 5}) == 0


def test_functions_and_polars_expressions():
    columns = {"fast": np.array([5, 60, 50]), "slow": np.array([50, 50, 50])}
    expected = [True, False, False]
    assert Constraint(lambda q: q["fast"] < q["slow"]).mask(columns).tolist() == expected
    expression = Constraint(pl.col("fast") < pl.col("slow"))
    assert expression.mask(columns).tolist() == expected
    assert expression.names == ("fast", "slow")
    assert expression.holds({"fast": 1, "slow": 2})
    with pytest.raises(StrategyError, match="got int"):
        Constraint(3)


def test_constraint_can_be_pickled():
    assert pickle.loads(pickle.dumps(Constraint("a < b"))).holds({"a": 1, "b": 2})


# --- grids -------------------------------------------------------------------------------------------------


def test_grid_values():
    assert FAST.grid() == list(range(5, 101, 5))
    assert Param("x", "int", 5, low=5, high=14, step=4).grid() == [5, 9, 13]
    assert Param("x", "float", 0.1, low=0.1, high=0.5, step=0.1).grid() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert RATE.grid(3) == pytest.approx([0.01, 0.1, 1.0])
    assert len(RATE.grid()) == 10
    assert USE.grid() == [False, True]
    assert MODE.grid() == ["sma", "ema", "wma"]


@st.composite
def number_params(draw):
    kind = draw(st.sampled_from(["int", "float"]))
    if kind == "int":
        low, size = draw(st.integers(-50, 50)), draw(st.integers(0, 200))
        log = low > 0 and draw(st.booleans())
        step = None if log else draw(st.none() | st.integers(1, 60))
        return Param("x", "int", low, low=low, high=low + size, step=step, log=log)
    low = draw(st.floats(-5, 5).map(lambda v: round(v, 3)))
    size = draw(st.floats(0, 10).map(lambda v: round(v, 3)))
    log = low > 0 and draw(st.booleans())
    step = None if log else draw(st.none() | st.sampled_from([0.1, 0.25, 0.3, 1.0]))
    return Param("x", "float", low, low=low, high=low + size, step=step, log=log)


@given(param=number_params(), n=st.none() | st.integers(1, 40))
def test_grid_is_ascending_distinct_valid_and_at_most_n(param, n):
    values = param.grid(n)
    assert values == sorted(set(values))
    assert [param.validate_value(value) for value in values] == values
    assert 1 <= len(values) <= (n or 10**9)
    if n is None or n >= 2:
        assert values[0] == param.low
    if param.step is not None:
        steps = (np.array(values) - param.low) / param.step
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_grid_refuses_a_size_that_is_none(n):
    with pytest.raises(StrategyError, match="at least one value"):
        FAST.grid(n)


def test_unbounded_parameters_cannot_be_searched():
    with pytest.raises(StrategyError, match="low and high for a search"):
        Param("x", "int", 3, low=1).grid()


def test_grid_columns_equal_a_plain_product():
    axes = {"fast": [5, 30, 60], "slow": [20, 50], "mode": ["ema", "sma"]}
    columns = p.grid_columns((FAST, SLOW, RATE, MODE), axes, "fast < slow")
    rows = list(zip(*(columns[name].tolist() for name in ("fast", "slow", "mode")), strict=True))
    assert rows == [row for row in itertools.product(*axes.values()) if row[0] < row[1]]
    assert columns["rate"].tolist() == [0.1] * len(rows)
    assert columns["fast"].dtype == np.int64
    assert columns["rate"].dtype == np.float64


def test_grid_columns_hold_equal_runs_once():
    columns = p.grid_columns((USE, LENGTH), {"use_filter": [False, True], "length": [5, 10, 20]})
    rows = list(zip(columns["use_filter"].tolist(), columns["length"].tolist(), strict=True))
    assert rows == [(False, 14), (True, 5), (True, 10), (True, 20)]


def test_grid_columns_with_a_chain_of_conditions_equal_the_canonical_product():
    deep = Param("deep", "int", 3, low=1, high=9, when={"length": 10})
    schema, axes = (USE, LENGTH, deep), {"use_filter": [False, True], "length": [5, 10], "deep": [1, 2]}
    product = (dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values()))
    expected = list(dict.fromkeys(tuple(p.canonical_params(schema, row).values()) for row in product))
    columns = p.grid_columns(schema, axes)
    assert list(zip(*(columns[name].tolist() for name in axes), strict=True)) == expected


def test_choices_of_mixed_types_keep_their_types():
    param = Param("x", "choice", None, choices=(None, 1, "a"))
    assert p.column_of(param, ["a", None, 1]).tolist() == ["a", None, 1]


def test_a_million_points_are_filtered_at_once():
    schema = (Param("a", "int", 1, low=1, high=1000), Param("b", "int", 1, low=1, high=1000))
    columns = p.grid_columns(schema, p.schema_to_grid(schema), "a < b")
    assert len(columns["a"]) == 1000 * 999 // 2


# --- Optuna ------------------------------------------------------------------------------------------------


@given(param=number_params())
def test_suggest_and_distribution_agree_and_give_valid_values(param):
    optuna = pytest.importorskip("optuna")
    distribution = param.to_distribution()
    trial = optuna.trial.FixedTrial({"x": param.low})
    assert param.to_optuna_suggest(trial) == param.low
    assert trial.distributions == {"x": distribution}
    assert distribution.high == max(param.grid())


def test_choices_and_booleans_as_distributions():
    optuna = pytest.importorskip("optuna")
    found = p.schema_to_distributions((USE, MODE))
    assert found["use_filter"] == optuna.distributions.CategoricalDistribution([False, True])
    assert found["mode"] == optuna.distributions.CategoricalDistribution(["sma", "ema", "wma"])
    trial = optuna.trial.FixedTrial({"use_filter": True, "mode": "wma"})
    assert USE.to_optuna_suggest(trial) is True
    assert MODE.to_optuna_suggest(trial) == "wma"


def test_import_is_light():
    code = (
        "import sys; before = set(sys.modules); import peak_fast.params.schema; "
        "heavy = {'numpy', 'polars', 'optuna', 'pydantic', 'numba'} & (set(sys.modules) - before); "
        "sys.exit(','.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
