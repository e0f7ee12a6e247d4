"""What a store says that holds other work: parameters and prices by their values, not by hashes."""

import json

import pytest

from peak_fast import Bars, Stops, StoreError, Sweep, synthetic
from peak_fast.sweep.store import MANIFEST, read_manifest, write_manifest

BARS = synthetic(120, seed=1)
GRID = {"fast": range(3, 9), "slow": range(10, 15)}

CHANGED = {
    "another value": ({**GRID, "fast": range(3, 8)}, {}, "grid.fast (3, 4, 5, 6, 7, 8 -> 3, 4, 5, 6, 7)"),
    "many values": (
        {**GRID, "fast": range(3, 90)}, {},
        "grid.fast (3, 4, 5, 6, 7, 8 -> 87 values 3, 4, 5, ..., 87, 88, 89)",
    ),
    "another parameter": ({**GRID, "stop_loss": [None, 0.1]}, {}, "grid.stop_loss (not varied -> null, 0.1)"),
    "one less": ({"fast": range(3, 9)}, {}, "grid.slow (10, 11, 12, 13, 14 -> not varied)"),
    "order": (dict(reversed(GRID.items())), {}, "grid, order of the parameters (fast, slow -> slow, fast)"),
    "a constraint": (
        GRID, {"constraint": "slow > 11"},
        "grid, of the same values (30 configurations -> 18 configurations)",
    ),
    "settings": (GRID, {"stops": Stops(stop_loss=0.1)}, "settings.stops.stop_loss (null -> 0.1)"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    Sweep("ma_crossover", GRID, BARS).run(store=tmp_path / "store", progress=False)
    return tmp_path / "store"


def refusal(folder, grid=GRID, data=BARS, strategy="ma_crossover", **settings):
    with pytest.raises(StoreError, match="changed: ") as error:
        Sweep(strategy, grid, data, **settings).run(store=folder, progress=False)
    return str(error.value)


@pytest.mark.parametrize(("grid", "settings", "words"), CHANGED.values(), ids=CHANGED)
def test_what_differs_stands_there(folder, grid, settings, words):
    assert f"changed: {words}; undo the change" in refusal(folder, grid, **settings)


def test_values_between_and_other_rows_of_the_same_values(tmp_path):
    values = [*range(3, 15)]
    Sweep("ma_crossover", {"fast": values, "slow": [20]}, BARS).run(store=tmp_path, progress=False)
    values[5] = 100
    found = refusal(tmp_path, {"fast": values, "slow": [20]})
    assert "grid.fast (12 values 3, 4, 5, ..., 12, 13, 14; others between);" in found
    rows = [{"fast": 3, "slow": 10}, {"fast": 4, "slow": 11}, {"fast": 3, "slow": 11}]
    other = [*rows[:2], {"fast": 4, "slow": 10}]
    Sweep("ma_crossover", rows, BARS).run(store=tmp_path, resume="restart", progress=False)
    assert "grid (3 configurations, others of the same values);" in refusal(tmp_path, other)


def test_prices_are_told_by_their_time(folder):
    name = BARS.name
    found = refusal(folder, data=Bars.from_frame(synthetic(121, seed=1).to_polars(), name=name))
    assert f"data.{name} (Bars('{name}', 120 bars, 2000-01-03 00:00 to" in found
    assert f" -> Bars('{name}', 121 bars, 2000-01-03 00:00 to" in found
    found = refusal(folder, data=Bars.from_frame(synthetic(120, seed=2).to_polars(), name=name))
    assert f"data.{name} (other prices in Bars('{name}', 120 bars," in found
    found = refusal(folder, data={"a": BARS, "b": BARS})
    assert "data.a (not there -> Bars('" in found and "grid.data (not varied -> " in found


def test_sources_are_no_hashes_and_stores_without_words_are_still_read(folder):
    assert "strategy.source (changed)" in refusal(folder, strategy="ema_crossover")
    manifest = read_manifest(folder)
    words = manifest.pop("told")
    assert json.loads(json.dumps(words)) == words
    write_manifest(folder, manifest)
    assert "told" not in (folder / MANIFEST).read_text()
    assert "changed: grid (changed); undo" in refusal(folder, {"fast": [3], "slow": [10]})
    assert len(Sweep("ma_crossover", GRID, BARS).run(store=folder, progress=False)) == 30
