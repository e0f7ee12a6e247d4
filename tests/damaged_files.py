"""Small files of each format that is read back, one bit of which is changed."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import peak_fast as pf
from peak_fast.errors import PeakFastError
from peak_fast.portfolio import Momentum

BARS = pf.synthetic(60, seed=3)
GRID = {"fast": [3, 5], "slow": [8, 13]}


def sweep(store, **options):
    """The sweep of the store, from its start or from where it stands."""
    run = pf.Sweep("ma_crossover", GRID, BARS, metrics=["sharpe", "total_return"])
    return run.run(store=store, progress=False, threads=1, **options)


def result(seed=3):
    """A result whose records, notes and parameters are worth saving."""
    bars = pf.synthetic(60, seed=seed)
    engine = pf.BacktestEngine(costs=pf.Costs(rate=0.001), stops=pf.Stops(stop_loss=0.05))
    return engine.run(bars, "ma_crossover", {"fast": 3, "slow": 8}, symbol="Löß")


def study(journal):
    """The study of the journal, from its start or from where it stands."""
    space = {"fast": [3, 5, 7], "slow": [20, 30]}
    return pf.Study(
        "ma_crossover",
        BARS,
        sampler="grid",
        space=space,
        storage=f"journal://{journal}",
        heartbeat=(0.05, 0.1),
    )


def panel_rule():
    """A rule of many assets, and their panel."""
    rule = pf.Rank(Momentum("lookback"), top="top", rebalance=10)
    return rule, pf.synthetic(60, assets=3, seed=3, missing=0.02)


def portfolio():
    """A portfolio with trades, notes and parameters."""
    rule, panel = panel_rule()
    return pf.BacktestEngine(costs=pf.Costs(rate=0.001)).run(panel, rule, {"lookback": 9, "top": 2})


def sweep_of_portfolios(store):
    rule, panel = panel_rule()
    run = pf.Sweep(rule, {"lookback": [5, 9], "top": [1, 2]}, panel, metrics=["sharpe", "total_return"])
    return run.run(store=store, progress=False, threads=1)


def read_portfolio(folder):
    loaded = pf.PortfolioResult.load(folder)
    frames = (loaded.equity_curve, loaded.trades, loaded.orders, loaded.weights, loaded.rebalances)
    texts = [repr(frame.to_dicts()) for frame in frames]
    return texts, repr(loaded.stats), repr(loaded.metadata), loaded.params, loaded.notes, loaded.hash


def read_sweep(folder):
    loaded = pf.SweepResult.load(folder)
    return loaded.frame.to_dicts(), loaded.parameters, loaded.metrics, loaded.settings, loaded.notes


def read_result(folder):
    loaded = pf.BacktestResult.load(folder)
    frames = (loaded.equity_curve, loaded.trades, loaded.orders, loaded.fills, loaded.bars.to_polars())
    # As text: NaN is itself there.
    texts = [repr(frame.to_dicts()) for frame in frames]
    return (
        texts,
        repr(loaded.stats),
        repr(loaded.metadata),
        loaded.params,
        loaded.notes,
        loaded.symbol,
        loaded.hash,
    )


def read_study(folder):
    """Parameters and value of every trial of the study after its last one has run."""
    found = study(folder / "study.log")
    found.run()
    done = found.optuna.get_trials(deepcopy=False, states=(_complete(),))
    return sorted((*sorted(trial.params.items()), trial.value) for trial in done)


def _complete():
    import optuna

    return optuna.trial.TrialState.COMPLETE


@dataclass(frozen=True)
class Format:
    """How a format is written and read.

    Attributes
    ----------
    write, read
        Both get the folder; what ``read`` gives is compared.
    goes_on
        Whether reading may answer from what lies before the damage, and say so in a line of the log.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    goes_on: bool = False


FORMATS = {
    "sweep store": Format(sweep, read_sweep),
    "saved sweep": Format(lambda folder: sweep(None).save(folder), read_sweep),
    "saved result": Format(lambda folder: result().save(folder), read_result),
    "saved portfolio": Format(lambda folder: portfolio().save(folder), read_portfolio),
    "store of portfolios": Format(sweep_of_portfolios, read_sweep),
    "study journal": Format(lambda folder: (folder.mkdir(), read_study(folder)), read_study, True),
}


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check_flip(kind, whole, expected, place, work, position, bit, caplog):
    """Change one bit of one file: what is read is equal, or one line names the file.

    Parameters
    ----------
    whole
        Folder of the sound files.
    place
        The file, relative to it.
    work
        Where the damaged copy is made.
    """
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work)
    content = bytearray((work / place).read_bytes())
    content[position] ^= 1 << bit
    (work / place).write_bytes(content)
    caplog.clear()
    where = f"bit {bit} of byte {position} of {place}"
    with caplog.at_level(logging.WARNING):
        try:
            found = FORMATS[kind].read(work)
        except PeakFastError as error:
            assert place.name in str(error) and "\n" not in str(error), f"{where}: {error}"
            return "refused"
        except Exception as error:
            pytest.fail(f"{where}: {error!r}")
    assert found == expected, where
    if caplog.messages:
        assert FORMATS[kind].goes_on, where
        assert all(place.name in text and "\n" not in text for text in caplog.messages), where
        return "went on"
    return "equal"
