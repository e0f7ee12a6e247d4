"""Fixtures of the tests of the command line: a call in this process, a file of prices."""

import sys

import pytest

from peak_fast import synthetic
from peak_fast.cli import main


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run ``peak-fast ...`` in a folder of its own; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["peak-fast", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.parquet"
    synthetic(400, seed=3).to_polars().write_parquet(path)
    return path


def check_wrong(outcome, word):
    code, out, err = outcome
    assert (code, out) == (2, "")
    assert err.startswith("peak-fast: ") and err.count("\n") == 1, err
    assert word in err
    assert "Traceback" not in err
