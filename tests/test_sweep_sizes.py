"""Grids too large to look at: counted, told and refused at once; conditions asked once per tuple of their axes."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import peak_fast as pf
from peak_fast.errors import ConfigError, PeakFastError, StoreError, SweepError
from peak_fast.sweep.grid import spans
from peak_fast.sweep.grid.grid import Grid

BARS = pf.synthetic(100, seed=1)
STOPS = np.linspace(0.01, 0.5, 10_000)

SIZES = st.lists(st.integers(1, 4), min_size=4, max_size=4)
CONDITIONS = [
    "a < b",
    "b <= d",
    "c > 1",
    "a < b < c",
    "a + 1 >= d",
    "a != c",
    "d % 2 == 0",
    "a < 2 or c < 2",
    "1 < 2",
]


@given(
    sizes=SIZES,
    chosen=st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3),
    table=st.sampled_from([0, 1 << 24]),
)
def test_kept_configurations_are_those_of_nested_loops(sizes, chosen, table):
    space = {name: list(range(size)) for name, size in zip("abcd", sizes, strict=True)}
    rows = [dict(zip("abcd", row, strict=True)) for row in itertools.product(*space.values())]
    expected = [row for row in rows if all(eval(text, {}, row) for text in chosen)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "_TABLE", table)  # 0: pairs are counted by sorting, others are listed
        if not expected:
            with pytest.raises(ConfigError, match="got none"):
                Grid.full(space, constraint=chosen)
            return
        grid = Grid.full(space, constraint=chosen)
        assert len(grid) == len(expected)
        assert list(grid) == expected
        assert grid[len(grid) - 1] == expected[-1]


@pytest.mark.parametrize(
    ("space", "count"),
    [
        (
            {"fast": range(5, 105), "slow": range(20, 120), "stop_loss": STOPS, "take_profit": STOPS},
            6_345 * 10**8,
        ),
        (
            {"stop_loss": STOPS, "fast": range(5, 105), "take_profit": STOPS, "slow": range(20, 120)},
            6_345 * 10**8,
        ),
        ({"fast": range(2, 10**6 + 2), "slow": range(3, 10**6 + 3)}, 10**6 * (10**6 + 1) // 2),
        ({"stop_loss": STOPS, "take_profit": STOPS, "trailing": STOPS}, 10**12),
    ],
)
def test_a_million_million_configurations_are_told_and_refused_at_once(space, count, tmp_path):
    begin = time.perf_counter()
    sweep = pf.Sweep("ma_crossover", space, BARS)
    assert len(sweep.grid) == count
    refusal = rf"sweep of {count:,} configurations takes about \d+ \w+ and needs about .* MB .*; .*store="
    with pytest.raises(SweepError, match=refusal):
        sweep.run(progress=False, threads=2)
    assert time.perf_counter() - begin < 20.0  # hours, if they were looked at one by one
    with pytest.raises(StoreError, match=r"at least .* GB"):
        sweep.run(store=tmp_path / "s", progress=False)


def test_conditions_are_asked_once_per_pair():
    asked = []

    grid = Grid.full({"a": range(30), "x": range(50), "b": range(30), "y": range(20)}, constraint="a < b")
    product = spans.Product
    assert len(grid) == 435 * 1000

    class Counting(spans.Filter):
        def _met(self, number, item, columns, codes):
            asked.append(len(codes[0]))
            return super()._met(number, item, columns, codes)

    axes = list(grid.axes.values())
    spanned = spans.Spanned(Counting("a < b", axes), [len(axis) for axis in axes])
    assert len(spanned) == 435_000 and sum(asked) == 900
    numbers = spanned.at(np.arange(len(spanned)))
    assert sum(asked) == 900
    codes = product([30, 50, 30, 20]).codes(numbers)
    assert (codes[0] < codes[2]).all() and len(np.unique(numbers)) == 435_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Grid.full({"a": range(10**18)}), "at most 67,108,864 values; got 1,000,000,000,000,000,000"),
        (lambda: Grid.full({"a": itertools.count()}), "an iterator that ends"),
        (lambda: Grid.full({"a": range(2**63, 2**63 + 5000)}), "64-bit whole numbers"),
        (lambda: Grid.full({"a": [*range(5000), 7]}), "each value once; got 7 twice"),
        (lambda: Grid.full({"a": np.array([1.0, np.nan] * 600)}), "finite numbers"),
        (
            lambda: Grid.full({"a": range(10**5), "b": range(10**5)}, constraint="a * b < 5"),
            "at most 4,294,967,296 times; a \\* b < 5 would be asked 10,000,000,000 times",
        ),
        (
            lambda: Grid.full({"a": range(10**5), "b": range(10**5)}, constraint=lambda p: p["a"] < p["b"]),
            "would be asked 10,000,000,000 times; .*as text",
        ),
        (lambda: Grid.full({name: range(10**6) for name in "abcd"}), r"fewer than 2\*\*62 configurations"),
        (
            lambda: pf.Sweep("ma_crossover", {"fast": range(5, 10**8)}, BARS),
            "fast <= 10,000,000; got 99999999",
        ),
    ],
)
def test_what_nobody_can_list_is_refused(call, message):
    with pytest.raises(PeakFastError, match=message):
        call()


def test_many_values_keep_their_order_and_kind():
    shuffled = np.random.default_rng(1).permutation(2000)
    for values in (shuffled, shuffled.tolist(), shuffled.astype(float), [float(x) for x in shuffled]):
        grid = Grid.full({"a": values})
        assert grid.columns(0, 2000)["a"].tolist() == list(values)
        assert type(grid[0]["a"]) is type(np.asarray(values)[0].item())
    assert Grid.full({"a": range(3000, 0, -2)}).hash == Grid.full({"a": list(range(3000, 0, -2))}).hash
