"""Users' blocks as object files: what a later process loads, with what it imports, and what errors become."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from peak_kernels.compiling import visitors
from peak_kernels.compiling.visitors import known_of, stamp_of

BLOCKS = """
import math
import sys

import numpy as np

from peak_fast import BacktestEngine, orders as book, strategy, synthetic
from peak_fast.orders import BUY, CLOSE, POSITION, place_limit


@strategy(name="placing")
def placing(i, bars, params, memory, account, orders):
    if account[POSITION] == 0.0 and book.live_orders(orders, 1) == 0:
        place_limit(orders, BUY, 2, bars[CLOSE, i] * 0.99, tag=1, take_profit=bars[CLOSE, i] * 1.03)


@strategy(name="plain", memory=1)
def plain(i, bars, params, memory, account):
    memory[0] = max(memory[0], math.exp(bars[3, i] / 100.0))
    return 1.0 if i % 7 else -1.0


@strategy(name="allocating")
def allocating(i, bars, params, memory, account):
    last = np.zeros(3)
    for k in range(3):
        last[k] = bars[3, max(i - k, 0)]
    return 1.0 if last.mean() < bars[3, i] else -1.0


@strategy(name="raising")
def raising(i, bars, params, memory, account):
    if i == 5:
        raise ValueError("not on bar five")
    return 0.0


@strategy(name="telling")
def telling(i, bars, params, memory, account):
    if i == 5:
        raise ValueError("bar", i)
    return 0.0
"""
RUN = """
import json
import sys
import blocks
from peak_fast import BacktestEngine, synthetic

bars = synthetic(300, seed=1)
found = {"before": "numba" in sys.modules}
for name in ("placing", "plain", "allocating", "raising", "telling"):
    item = getattr(blocks, name)
    try:
        said = BacktestEngine().run(bars, item).hash
    except ValueError as error:
        said = str(error)
    found[name] = [said, item.compiled["function"].way, "numba" in sys.modules]
print(json.dumps(found))
"""


def run_in(folder):
    (folder / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_later_process_loads_what_an_earlier_one_has_compiled(tmp_path):
    first, second = run_in(tmp_path), run_in(tmp_path)
    assert {name: item[0] for name, item in first.items() if name != "before"} == {
        name: item[0] for name, item in second.items() if name != "before"
    }
    names = "placing", "plain", "allocating", "raising"
    assert [first[name][1] for name in (*names, "telling")] == ["compiled"] * 5
    assert [second[name][1] for name in names] == ["object file"] * 4
    # Numba is there for its run time and for what is raised, not before.
    assert [second["before"], second["placing"][2], second["plain"][2]] == [False] * 3
    assert second["allocating"][2]
    assert second["raising"][0] == "not on bar five"
    assert second["telling"][0] == "('bar', 5)"


def one(value):
    return value + LEVEL


LEVEL = 1.0


def test_a_stamp_follows_what_is_compiled_in(monkeypatch):
    first = stamp_of(one)
    assert first == stamp_of(one)
    monkeypatch.setitem(globals(), "LEVEL", 2.0)
    second = stamp_of(one)
    assert (second[0], second[1] == first[1]) == (first[0], False)
    monkeypatch.setitem(globals(), "LEVEL", np.ones(2))
    assert stamp_of(one) is None
    assert stamp_of(len) is None


def test_what_is_known_of_a_function_is_found_once(tmp_path, monkeypatch):
    monkeypatch.setattr(visitors, "cache_dir", lambda: tmp_path)
    asked = []

    def find():
        asked.append(1)
        return [["bars", 0, 3, "line 1"]]

    for _ in range(2):
        assert known_of(one, "indices", find) == [["bars", 0, 3, "line 1"]]
    assert len(asked) == 1
    (file,) = tmp_path.iterdir()
    for content in ("", "{", '{"function": "another", "found": []}', "[]"):
        file.write_text(content)
        assert known_of(one, "indices", find) == [["bars", 0, 3, "line 1"]]
    assert len(asked) == 5
