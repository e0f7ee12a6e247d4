"""A plain ``peak-fast run`` is read without the parser, and means what it means with it."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from peak_fast.cli import app, plain
from peak_fast.cli.single import run_single

LINE = ["run", "--data", "IBM", "--strategy", "ma_crossover"]


def by_parser(monkeypatch, arguments):
    """Arguments of `run_single` as the parser reads them."""
    found = {}
    own = inspect.signature(run_single)
    monkeypatch.setattr(app, "run_single", lambda *values: found.update(own.bind(*values).arguments))
    app.app(arguments, prog_name="peak-fast", standalone_mode=False)
    return found


def complete(given):
    """Arguments with the defaults of those that are left out."""
    bound = inspect.signature(run_single).bind(**given)
    bound.apply_defaults()
    found = bound.arguments
    return found | {"param": list(found["param"]), "reading": found["reading"] or {}}


@pytest.mark.parametrize(
    "further",
    [
        [],
        ["--param", "fast=5", "--cash", "2500.5", "--param", "slow=9"],
        ["--out", "a folder/é", "--config", "x.toml", "--fee-bps", "7", "--slippage-bps", "0"],
    ],
)
def test_both_read_the_same(monkeypatch, further):
    given = plain.plain_run([*LINE, *further])
    assert given is not None
    assert complete(given) == complete(by_parser(monkeypatch, [*LINE, *further]))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["--version"],
        ["sweep", *LINE[1:]],
        LINE[:3],
        LINE[:-1],
        [*LINE, "--help"],
        [*LINE, "--check-lookahead"],
        [*LINE, "--data", "AAPL"],
        [*LINE, "--cash", "-5"],
        [*LINE, "--cash", "nan"],
        [*LINE, "--cash", "1_000"],
        [*LINE, "--cash", "many"],
        [*LINE, "--cahs", "5"],
        [*LINE, "cash", "5"],
        [*LINE, "--stamp", "open"],
        [*LINE, "--", "x"],
        ["run", "--data=IBM", "--strategy", "ma_crossover"],
    ],
)
def test_any_other_line_is_for_the_parser(arguments):
    assert plain.plain_run(arguments) is None


def test_options_are_those_of_the_command():
    own = inspect.signature(app.run, eval_str=True).parameters
    for name, kind in plain._VALUES.items():
        annotation = own[name.replace("-", "_")].annotation
        assert annotation.__metadata__[0].default == f"--{name}"
        assert kind in (annotation.__origin__, *getattr(annotation.__origin__, "__args__", ())), name


LEAN = """
import sys
from peak_fast.cli import main
sys.argv = ["peak-fast", "run", "--data", "IBM", "--strategy", "ma_crossover", "--out", "found"]
main()
print(sorted({"typer", "click", "pydantic", "matplotlib", "numba"} & sys.modules.keys()))
"""


def test_a_plain_run_imports_neither_the_parser_nor_its_checks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LEAN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    *shown, written, imported = done.stdout.splitlines()
    assert "ma_crossover on IBM" in shown[0]
    assert written == "result written to found" and Path(tmp_path, "found").is_dir()
    assert imported in ("[]", "['numba']")  # numba where the kernels are compiled first
