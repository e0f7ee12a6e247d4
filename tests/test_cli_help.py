"""The command line: help, version, settings as options, names of options and commands, Ctrl-C."""

import inspect
import re

import pytest

import peak_fast
from peak_fast import BacktestConfig, BacktestEngine, Costs, sample
from peak_fast.cli import app as cli_module
from peak_fast.cli import data as reading
from tests.cli_fixtures import check_wrong

COMMANDS = {
    (item.name or item.callback.__name__): item.callback for item in cli_module.app.registered_commands
}


def words(text):
    """The text without the places at which lines are broken."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("columns", ["80", "160"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loses_nothing(command, monkeypatch, name, columns):
    """What a command and its options say stands in its help to the last bracket."""
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    shown = words(out)
    assert words(inspect.getdoc(COMMANDS[name])) in shown
    for item in inspect.signature(COMMANDS[name], eval_str=True).parameters.values():
        option = item.annotation.__metadata__[0]
        # In an annotation the first name of an option stands where a default would.
        assert (option.metavar if option.default is ... else option.default) in out
        assert words(option.help or "") in shown, option.default


def test_help_of_the_table_of_a_sweep(command):
    assert "[sweep]" in command("sweep", "--help")[1]


def test_a_bare_command_prints_help(command):
    bare, asked = command(), command("--help")
    assert bare == asked
    code, out, err = bare
    assert (code, err) == (0, "")
    for name, function in COMMANDS.items():
        first = inspect.getdoc(function).split("\n")[0].removesuffix(".")
        assert re.search(rf"^  {name} +{re.escape(first)}", out, re.MULTILINE), "no description is cut"
    assert "--version" in out and "...\n" not in out.split("\n", 1)[1]


def test_version(command):
    assert command("--version") == (0, f"peak-fast {peak_fast.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("run", "--dta", "x"), "no such option --dta; did you mean '--data'?"),
        (("run", "--fee_bps", "3"), "no such option --fee_bps; did you mean '--fee-bps'?"),
        (("sweep", "--metrics", "x"), "no such option --metrics; did you mean '--metric'?"),
        (("optimize", "--trails", "9"), "no such option --trails; did you mean '--trials'?"),
        (("run", "--fast", "9"), "a parameter of the strategy goes into --param fast=...; "),
        (("sweep", "--fast", "9"), "a parameter of the strategy goes into --grid fast=...; "),
        (("--verson",), "no such option --verson; did you mean '--version'?"),
        (("sweeep",), "no such command 'sweeep'; did you mean 'sweep'?"),
        (("xyz",), "known: 'bench'"),
    ],
)
def test_misspelt_options_and_commands(command, arguments, word):
    check_wrong(command(*arguments), word)


MONEY = ("--cash", "5000", "--fee-bps", "20", "--slippage-bps", "5")
SETTINGS = {"initial_cash": 5000.0, "costs": Costs(rate=0.002, fixed=1.0, slippage_bps=5)}


@pytest.fixture
def file(tmp_path):
    """A settings file whose figures the options replace; the fixed fee stays."""
    text = "initial_cash = 7\n[costs]\nrate = 0.5\nmaker_rate = 0.4\nfixed = 1.0\nslippage_bps = 70\n"
    (tmp_path / "s.toml").write_text(text)
    return "s.toml"


class TestMoneyOptions:
    def test_of_a_run(self, command, file, tmp_path):
        code, _, err = command(
            "run", "--data", "IBM", "--strategy", "momentum", *MONEY, "--config", file, "--out", "r"
        )
        assert (code, err) == (0, "")
        expected = BacktestEngine(**SETTINGS).run(sample("IBM"), "momentum")
        assert peak_fast.BacktestResult.load(tmp_path / "r").hash == expected.hash

    def test_of_a_run_without_a_file(self, command, tmp_path):
        code, _, err = command("run", "--data", "IBM", "--strategy", "momentum", *MONEY, "--out", "r")
        assert (code, err) == (0, "")
        costs = Costs.from_bps(20, slippage_bps=5)
        expected = BacktestEngine(initial_cash=5000, costs=costs).run(sample("IBM"), "momentum")
        assert peak_fast.BacktestResult.load(tmp_path / "r").hash == expected.hash

    def test_of_a_sweep(self, command, file, tmp_path):
        code, _, err = command(
            "sweep", "--data", "IBM", "--strategy", "momentum", "--grid", "period=20", "--metric", "final_equity",
            *MONEY, "--config", file, "--store", "store",
        )  # fmt: skip
        assert code == 0, err
        found = peak_fast.SweepResult.load(tmp_path / "store").frame["final_equity"].to_list()
        expected = BacktestEngine(**SETTINGS).run(sample("IBM"), "momentum", {"period": 20})
        assert found == [expected.stats["final_equity"]]

    def test_of_a_study(self, command, file, tmp_path):
        pytest.importorskip("optuna")
        code, _, err = command(
            "optimize", "--data", "IBM", "--strategy", "momentum", "--param", "period=20", "--param",
            "allow_short=false", "--trials", "1", "--objective", "final_equity:max", *MONEY, "--config", file, "--out",
            "o",
        )  # fmt: skip
        assert code == 0, err
        expected = BacktestEngine(**SETTINGS).run(
            sample("IBM"), "momentum", {"period": 20, "allow_short": False}
        )
        assert f"{expected.stats['final_equity']:.4g}"[:4] in (tmp_path / "o" / "best.json").read_text()

    @pytest.mark.parametrize(
        ("option", "value", "word"),
        [
            ("--cash", "0", "initial_cash"),
            ("--cash", "-5", "initial_cash"),
            ("--cash", "nan", "initial_cash"),
            ("--fee-bps", "20000", "Costs.rate"),
            ("--fee-bps", "ten", "--fee-bps"),
            ("--slippage-bps", "-1", "slippage_bps"),
        ],
    )
    def test_wrong_ones(self, command, option, value, word):
        check_wrong(command("run", "--data", "IBM", "--strategy", "momentum", option, value), word)

    def test_a_default_file_is_not_changed(self):
        assert BacktestConfig().costs == Costs()


def test_ctrl_c_is_one_line_and_code_130(command, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_module, "load_data", stopped)
    monkeypatch.setattr(reading, "load_data", stopped)
    for name in ("run", "sweep", "optimize"):
        outcome = command(name, "--data", "IBM", "--strategy", "momentum")
        assert outcome == (130, "", "peak-fast: stopped\n")
