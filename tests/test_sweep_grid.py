"""Grids: what they list, that they do it lazily, constraints, samples, and how they refuse bad input."""

import itertools
import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.errors import ConfigError, StrategyError
from peak_fast.params.parameter import Param
from peak_fast.sweep.grid.grid import Grid
from peak_fast.sweep.grid.selection import BLOCK, Selection

VALUES = st.one_of(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=6, unique=True),
    st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from(["ema", "sma", "wma", None]), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([None, 0.01, 0.5]), min_size=1, max_size=3, unique=True),
    st.just([True, False]),
)
SPACES = st.dictionaries(st.sampled_from(["fast", "slow", "kind", "stop"]), VALUES, min_size=1, max_size=4)


def expected_rows(space):
    return [dict(zip(space, row, strict=True)) for row in itertools.product(*space.values())]


@given(SPACES, st.data())
def test_full_grid_lists_what_nested_loops_would(space, data):
    grid, rows = Grid.full(space), expected_rows(space)
    assert len(grid) == len(rows)
    assert list(grid) == rows
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    columns, codes = grid.columns(start, stop), grid.codes(start, stop)
    assert tuple(columns) == grid.names == tuple(space)
    for name in space:
        values = [None if value != value else value for value in columns[name].tolist()]
        assert values == [row[name] for row in rows[start:stop]]
        assert (
            grid.frame(start, stop)[name].to_list() == values
            or grid.axes[name].kind == "choice"
            or not values
        )
        assert len(codes[name]) == stop - start
        decoded = grid.unique(name)[codes[name]]
        assert decoded.tolist() == columns[name].tolist() or np.array_equal(decoded, columns[name], True)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 60), st.data())
def test_constraint_keeps_exactly_the_rows_that_meet_it(n_fast, n_slow, shift, data):
    space = {"fast": list(range(n_fast)), "slow": list(range(1 + shift, 1 + shift + n_slow)), "k": [0.5, 1.0]}
    form = data.draw(st.sampled_from(["text", "polars", "columns", "params"]))
    constraint = {
        "text": "fast < slow and k < 0.9",
        "polars": (pl.col("fast") < pl.col("slow")) & (pl.col("k") < 0.9),
        "columns": lambda c: (c["fast"] < c["slow"]) & (c["k"] < 0.9),
        "params": lambda p: p["fast"] < p["slow"] and p["k"] < 0.9,
    }[form]
    rows = [row for row in expected_rows(space) if row["fast"] < row["slow"] and row["k"] < 0.9]
    grid = Grid.full(space, constraint)
    assert list(grid) == rows
    start = data.draw(st.integers(0, len(rows)))
    assert grid.columns(start, len(rows))["slow"].tolist() == [row["slow"] for row in rows[start:]]
    assert grid[-1] == rows[-1]


@given(
    st.lists(st.sampled_from(["none", "few", "half", "all"]), min_size=1, max_size=4), st.integers(1, BLOCK)
)
def test_selection_finds_every_kept_number(fills, last):
    generator, masks, selection = np.random.default_rng(3), [], Selection()
    shares = {"none": 0.0, "few": 0.001, "half": 0.5, "all": 1.1}
    for number, fill in enumerate(fills):
        size = BLOCK if number < len(fills) - 1 else last
        masks.append(generator.random(size) < shares[fill])
        selection.append(masks[-1])
    kept = np.flatnonzero(np.concatenate(masks))
    assert len(selection) == len(kept)
    assert np.array_equal(selection.at(np.arange(len(kept))), kept)
    shuffled = generator.permutation(len(kept))[:100]
    assert np.array_equal(selection.at(shuffled), kept[shuffled])


def test_a_tile_of_a_huge_grid_costs_only_the_tile():
    grid = Grid.full({name: range(1000) for name in ("a", "b", "c", "d")})
    assert len(grid) == 10**12
    tracemalloc.start()
    try:
        columns = grid.columns(10**12 - 1000, 10**12)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert columns["d"].tolist() == list(range(1000))
    assert set(columns["a"].tolist()) == {999}
    assert peak < 500_000


def test_a_constraint_is_kept_as_a_compact_index():
    grid = Grid.full({"fast": range(1000), "slow": range(1000)}, "fast < slow")
    assert len(grid) == 499_500
    assert grid._selection.nbytes < 150_000


def test_a_filtered_grid_can_be_filtered_and_crossed_again():
    base = Grid.full({"fast": range(20), "slow": range(20)}, "fast < slow")
    rows = [row for row in base if row["fast"] + row["slow"] < 25]
    assert list(base.filter("fast + slow < 25")) == rows
    both = base.filter("fast + slow < 25").crossed("symbol", ["A", "B"])
    assert list(both) == [{"symbol": symbol, **row} for symbol in ("A", "B") for row in rows]
    assert list(both.filter("symbol == 'B' and fast > 3")) == [
        {"symbol": "B", **row} for row in rows if row["fast"] > 3
    ]
    assert both.is_full


def test_hash_depends_on_names_values_order_and_constraint_only():
    space = {"fast": [5, 10, 20], "slow": [10, 20]}
    base = Grid.full(space)
    assert Grid.full(dict(space)).hash == base.hash
    assert len(base.hash) == 32
    others = [
        Grid.full({"slow": space["slow"], "fast": space["fast"]}),
        Grid.full({"fast": [5, 10, 21], "slow": [10, 20]}),
        Grid.full({"fast": [5, 20, 10], "slow": [10, 20]}),
        Grid.full({"fast": [5.0, 10.0, 20.5], "slow": [10, 20]}),
        Grid.full({"fast": [5, 10, 20], "slow": ["10", "20"]}),
        base.filter("fast < slow"),
        base.filter("fast <= slow"),
        base.crossed("x", [1]),
        Grid.from_frame(base.frame()),
    ]
    assert len({grid.hash for grid in [base, *others]}) == len(others) + 1
    assert base.filter("fast < slow").hash == base.filter(lambda p: p["fast"] < p["slow"]).hash
    assert base.filter("fast < 1000").hash == base.hash


def test_values_may_be_ranges_arrays_series_scalars_and_none():
    grid = Grid.full(
        {
            "a": range(3),
            "b": np.linspace(0, 1, 3),
            "c": pl.Series([1, 2]),
            "d": "ema",
            "e": [None, 5],
            "f": {3, 1, 2},
            "g": np.float64(2.5),
        }
    )
    kinds = {name: axis.kind for name, axis in grid.axes.items()}
    assert kinds == {
        "a": "int",
        "b": "float",
        "c": "int",
        "d": "choice",
        "e": "int",
        "f": "int",
        "g": "float",
    }
    assert grid[0] == {"a": 0, "b": 0.0, "c": 1, "d": "ema", "e": None, "f": 1, "g": 2.5}
    assert all(type(value) in (int, float, str, type(None)) for value in grid[0].values())
    assert np.isnan(grid.columns(0, 1)["e"][0])
    assert grid.frame(0, 2)["e"].dtype == pl.Int64
    assert grid.frame(0, 6)["e"].to_list() == [None, None, None, 5, 5, 5]


def test_schema_decides_types_and_checks_values():
    schema = (
        Param("fast", "int", 10, low=2, high=100),
        Param("k", "float", 2.0, low=0.5, high=4.0),
        Param("on", "bool", True),
    )
    grid = Grid.make({"fast": [5.0, 10.0], "k": [1, 2], "on": [0, 1]}, schema)
    assert grid[3] == {"fast": 5, "k": 2.0, "on": True}
    assert [type(value) for value in grid[0].values()] == [int, float, bool]
    with pytest.raises(StrategyError, match="1 <= fast <= 10,000,000"):
        Grid.make({"fast": [0, 5]}, schema)
    with pytest.raises(StrategyError, match="k"):
        Grid.make(pl.DataFrame({"k": [1.0, -9.0]}), schema)
    with pytest.raises(ConfigError, match="did you mean 'fast'"):
        Grid.make({"fats": [5]}, schema)
    assert Grid.make({"fast": [5], "stop_loss": [None, 0.1]}, schema, known=["stop_loss"]).names == (
        "fast",
        "stop_loss",
    )


def test_make_accepts_every_form():
    schema = [Param("fast", "int", 2, low=1, high=4), Param("slow", "int", 3, low=2, high=4)]
    listed = [{"fast": 1, "slow": 2}, {"fast": 3, "slow": 4}]
    assert len(Grid.make(None, schema)) == len(Grid.make(schema)) == 12
    assert list(Grid.make(listed, schema)) == listed
    assert list(Grid.make(pl.DataFrame(listed).lazy())) == listed
    assert list(Grid.make(pl.DataFrame(listed).to_pandas())) == listed
    assert list(Grid.make(Grid.full({"fast": [1, 3], "slow": [2]}), schema, "fast < slow")) == listed[:1]
    assert len(Grid.make(None, schema, ["fast < slow", "slow > 2"])) == 5


def test_parameters_that_do_not_matter_are_listed_once():
    schema = (
        Param("use_filter", "bool", False),
        Param("length", "int", 30, low=10, high=50, step=10, when={"use_filter": True}),
    )
    rows = list(Grid.make(None, schema))
    assert [row["length"] for row in rows if row["use_filter"]] == [10, 20, 30, 40, 50]
    assert [row["length"] for row in rows if not row["use_filter"]] == [30]
    sampled = list(Grid.random(schema, 6, seed=1))
    assert sorted(map(str, sampled)) == sorted(map(str, rows))
    # a condition on a parameter that does not matter does not apply
    kept = list(Grid.make(None, schema, "length > 30"))
    assert [row["length"] for row in kept] == [30, 40, 50]


def test_a_constraint_sees_defaults_of_parameters_outside_the_grid():
    schema = (Param("fast", "int", 10, low=1, high=100), Param("slow", "int", 30, low=2, high=100))
    assert [row["fast"] for row in Grid.make({"fast": [20, 30, 40]}, schema, "fast < slow")] == [20]
    assert [
        row["fast"] for row in Grid.make({"fast": [20, 40]}, schema, lambda p: p["fast"] < p["slow"])
    ] == [20]


def test_none_does_not_meet_a_comparison():
    space = {"stop": [None, 0.05, 0.2]}
    for constraint in ("stop < 0.1", pl.col("stop") < 0.1):
        assert list(Grid.full(space, constraint)) == [{"stop": 0.05}]
    with_none = Grid.full(space, lambda p: p["stop"] is None or p["stop"] < 0.1)
    assert [row["stop"] for row in with_none] == [None, 0.05]


def test_a_function_that_only_looks_vectorised_is_called_per_row():
    calls = []

    def odd(params):
        calls.append(params)
        return np.full(np.shape(params["x"]), True) if np.ndim(params["x"]) else params["x"] % 2 == 1

    assert [row["x"] for row in Grid.full({"x": range(10)}, odd)] == [1, 3, 5, 7, 9]
    assert len(calls) > 10


def test_frames_keep_order_repetitions_and_types():
    frame = pl.DataFrame(
        {
            "config": [7, 8, 9],
            "n": [3, 1, 3],
            "x": [0.5, None, 0.5],
            "s": ["b", "a", "b"],
            "t": [True, False, True],
        }
    )
    for form in (frame, frame.lazy(), frame.to_arrow()):
        grid = Grid.from_frame(form)
        assert list(grid) == [
            {"n": 3, "x": 0.5, "s": "b", "t": True},
            {"n": 1, "x": None, "s": "a", "t": False},
            {"n": 3, "x": 0.5, "s": "b", "t": True},
        ]
        assert grid.frame().drop("config").equals(frame.drop("config"))
        assert not grid.is_full


@pytest.mark.parametrize("method", ["random", "latin_hypercube", "sobol"])
def test_samples_are_reproducible_and_within_bounds(method):
    space = {
        "whole": (5, 100),
        "real": (0.5, 2.5),
        "kind": ["ema", "sma"],
        "stepped": Param("stepped", "float", 0.1, low=0.1, high=0.5, step=0.1),
        "log": Param("log", "float", 1.0, low=0.01, high=100.0, log=True),
    }
    make = getattr(Grid, method)
    grid = make(space, 512, seed=4)
    frame = grid.frame()
    assert len(grid) == 512
    assert make(space, 512, seed=4).hash == grid.hash
    assert make(space, 512, seed=5).hash != grid.hash
    assert frame["whole"].dtype == pl.Int64
    assert frame["whole"].min() >= 5 and frame["whole"].max() <= 100
    assert frame["real"].min() >= 0.5 and frame["real"].max() <= 2.5
    assert set(frame["kind"]) == {"ema", "sma"}
    assert set(frame["stepped"]) == {0.1, 0.2, 0.3, 0.4, 0.5}
    below = (frame["log"] < 1.0).mean()
    assert 0.4 < below < 0.6  # half of the logarithmic range
    assert abs(frame["real"].mean() - 1.5) < 0.1


def test_latin_hypercube_has_one_point_in_every_slice():
    frame = Grid.latin_hypercube({"x": (0.0, 1.0), "y": (10.0, 20.0)}, 100, seed=2).frame()
    for name, low, width in (("x", 0.0, 1.0), ("y", 10.0, 10.0)):
        slices = ((frame[name] - low) / width * 100).floor().cast(int)
        assert sorted(slices) == list(range(100))


def test_sobol_is_more_even_than_chance():
    points = Grid.sobol({"x": (0.0, 1.0), "y": (0.0, 1.0)}, 256, seed=1).frame()
    counts = np.histogram2d(points["x"], points["y"], bins=16, range=[[0, 1], [0, 1]])[0]
    assert counts.min() == counts.max() == 1


def test_random_draws_distinct_configurations_that_meet_the_constraint():
    for space in ({"fast": (1, 30), "slow": (1, 30)}, {"fast": (1, 3000), "slow": (1, 3000)}):
        grid = Grid.random(space, 400, seed=3, constraint="fast < slow")
        rows = [(row["fast"], row["slow"]) for row in grid]
        assert len(set(rows)) == 400
        assert all(fast < slow for fast, slow in rows)
    everything = Grid.random({"fast": (1, 5), "slow": (1, 5)}, 10, constraint="fast < slow")
    assert len(everything) == 10
    with pytest.raises(ConfigError, match="at most 10 configurations"):
        Grid.random({"fast": (1, 5), "slow": (1, 5)}, 11, constraint="fast < slow")
    with pytest.raises(ConfigError, match=r"5 distinct configurations.*got 0"):
        Grid.random({"x": (0.0, 1.0)}, 5, constraint="x > 2")


def test_random_weights_a_logarithmic_whole_number_by_its_share():
    space = [Param("n", "int", 10, low=1, high=1000, log=True)]
    small = [np.mean(Grid.random(space, 30, seed=seed).frame()["n"].to_numpy() <= 31) for seed in range(20)]
    assert 0.35 < np.mean(small) < 0.65


def test_samples_without_enough_values_shrink():
    assert len(Grid.latin_hypercube({"a": [1, 2], "b": [True, False]}, 64)) == 4
    assert len(Grid.sobol({"a": (1, 3)}, 64)) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Grid.full({}), "at least one parameter"),
        (lambda: Grid.full({"a": []}), "'a': expected at least one value"),
        (lambda: Grid.full({"a": [1, 2, 1]}), "got 1 twice"),
        (lambda: Grid.full({"a": [1, 1.0]}), "twice"),
        (lambda: Grid.full({"a": [1.0, float("nan")]}), "use None"),
        (lambda: Grid.full({"a": [float("inf")]}), "finite"),
        (lambda: Grid.full({"a": [object()]}), "got object"),
        (lambda: Grid.full({"a": {"b": 1}}), "expected a list"),
        (lambda: Grid.full({"a": [2**70]}), "64-bit"),
        (lambda: Grid.full({1: [1]}), "as text"),
        (lambda: Grid.full({"config": [1]}), "other than config"),
        (lambda: Grid.full({n: range(10**5) for n in "abcd"}), "fewer than"),
        (lambda: Grid.full({"a": [1, 2]}, "a > 5"), "got none of 2"),
        (lambda: Grid.full({"a": [1, 2]}, pl.col("a") + 1), "True or False"),
        (lambda: Grid.full({"a": [1, 2]}, lambda p: p["b"]), "KeyError"),
        (lambda: Grid.full({"a": [None, 2]}, lambda p: p["a"] < 1), "TypeError"),
        (lambda: Grid.full({"a": [1, 2]}, True), "expected a constraint"),
        (lambda: Grid.full({"a": [1, 2]}, {"a": 1}), "expected a constraint"),
        (lambda: Grid.from_frame(pl.DataFrame()), "columns of one length"),
        (lambda: Grid.from_frame(pl.DataFrame({"a": []})), "at least 1"),
        (lambda: Grid.from_frame(pl.DataFrame({"a": [1.0, float("nan")]})), "use None"),
        (lambda: Grid.from_columns({"a": [1, 2], "b": [1]}), "one length"),
        (lambda: Grid.make([{"a": 1}, {"b": 1}]), "number 1 has"),
        (lambda: Grid.make(5), "expected a grid as"),
        (lambda: Grid.make(None), "expected a grid as"),
        (lambda: Grid.make([]), "expected a grid as"),
        (lambda: Grid.full({"a": [1]}).unique("b"), "known: 'a'"),
        (lambda: Grid.random({"a": (0.0, 1.0)}, 0), "positive whole number"),
        (lambda: Grid.random({"a": (0.0, float("inf"))}, 5), "finite bounds"),
        (lambda: Grid.random({}, 5), "empty space"),
        (lambda: Grid.random(7, 5), "expected a space"),
        (lambda: Grid.random([Param("a", "float", 1.0)], 5), "expected low and high"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_unknown_names_in_constraints_are_refused():
    with pytest.raises(StrategyError, match="did you mean 'slow'"):
        Grid.full({"fast": [1], "slow": [2]}, "fast < slwo")
    with pytest.raises(StrategyError, match="'slwo'"):
        Grid.full({"fast": [1], "slow": [2]}, pl.col("fast") < pl.col("slwo"))


def test_numbers_outside_the_grid_are_refused():
    grid = Grid.full({"a": range(5)})
    with pytest.raises(IndexError, match="below 5"):
        grid[5]
    with pytest.raises(IndexError, match="stop <= 5"):
        grid.columns(0, 6)
    assert grid[-1] == {"a": 4}
    assert "5 configurations" in repr(grid)
