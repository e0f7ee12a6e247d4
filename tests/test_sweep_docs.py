"""The Python of docs/sweeps.md runs, top to bottom."""

import re

import polars as pl

from tests.conftest import ROOT


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    names = {}
    for block in blocks:
        exec(compile(block, "docs/sweeps.md", "exec"), names)
    assert len(names["result"]) == len(names["sweep"].grid) == len(names["stored"]) > 50
    best = names["best"]
    row = names["result"].top(1, "sharpe").row(0, named=True)
    for metric in ("sharpe", "total_return", "max_drawdown", "total_trades"):
        assert best.stats[metric] == row[metric]  # the run again equals the row of the sweep, bit for bit
    assert names["curves"]["config"].n_unique() == 5
    for file in ("heatmap.png", "results.duckdb", "my_sweep/manifest.json"):
        assert (tmp_path / file).stat().st_size > 0


def test_the_settings_file_runs(command, prices, tmp_path):
    text = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    (file,) = re.findall(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "sweep.toml").write_text(file)
    code, _, err = command("sweep", "--data", str(prices), "--config", "sweep.toml", "--store", "my_sweep")
    assert code == 0, err
    table = pl.read_parquet(tmp_path / "my_sweep" / "part-*.parquet")
    assert table["slow"].unique().sort().to_list() == [20, 50, 100] and (table["fast"] < table["slow"]).all()
