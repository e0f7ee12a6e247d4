"""Saved portfolios: the same to the last bit, and what is damaged is refused."""

import json

import numpy as np
import pytest

from peak_fast import (
    BacktestEngine,
    BacktestResult,
    Costs,
    DataError,
    Panel,
    PortfolioResult,
    PortfolioRules,
    sample,
)
from peak_fast.settings import Asset

PANEL = Panel.from_frame(
    {name: sample(name).slice(0, 300) for name in ("MSFT", "GOOG", "AAPL")},
    assets={"MSFT": Asset(multiplier=2.0)}, groups={"MSFT": "old", "AAPL": "old", "GOOG": "new"},
)  # fmt: skip
PAIR = (np.array([10, 200, 400]), np.array([[0.5, 0.2, 0.1], [0.3, np.nan, 0.4], [-0.2, 0.0, 0.6]]))
RESULT = BacktestEngine(costs=Costs(rate=0.001), portfolio=PortfolioRules(max_group=0.5)).run(PANEL, PAIR)


def test_everything_comes_back(tmp_path):
    folder = RESULT.save(tmp_path / "mine")
    loaded = PortfolioResult.load(folder)
    assert (loaded.hash, loaded.panel.hash) == (RESULT.hash, RESULT.panel.hash)
    assert loaded.panel.symbols == RESULT.panel.symbols
    assert loaded.metadata == json.loads(json.dumps(RESULT.metadata))
    assert loaded.stats.keys() == RESULT.stats.keys()
    for name, value in RESULT.stats.items():
        assert loaded.stats[name] == value or value != value, name
    for name in (
        "equity_curve", "drawdown", "trades", "orders", "fills", "positions", "weights", "exposure", "contributions",
        "rebalances",
    ):  # fmt: skip
        assert getattr(loaded, name).equals(getattr(RESULT, name)), name
    assert loaded.summary() == RESULT.summary()
    assert loaded.notes == RESULT.notes
    # And once more, over itself.
    assert PortfolioResult.load(loaded.save(folder)).hash == RESULT.hash


def test_a_portfolio_without_trades(tmp_path):
    none = BacktestEngine().run(PANEL, (np.array([0]), np.zeros((1, 3))))
    loaded = PortfolioResult.load(none.save(tmp_path / "none"))
    assert loaded.hash == none.hash
    assert loaded.orders.height == loaded.trades.height == loaded.rebalances.height == 0
    assert loaded.equity_curve.equals(none.equity_curve)


def test_damage_is_seen(tmp_path):
    folder = RESULT.save(tmp_path / "mine")
    for path in sorted(folder.rglob("*.parquet")):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        with pytest.raises(DataError, match=f"{path.name}.* is damaged"):
            PortfolioResult.load(folder)
        path.write_bytes(content)
    assert PortfolioResult.load(folder).hash == RESULT.hash


def test_the_two_kinds_are_told_apart(tmp_path):
    with pytest.raises(DataError, match="expected a saved result of format 5; got 'portfolio 1'"):
        BacktestResult.load(RESULT.save(tmp_path / "many"))
    one = BacktestEngine().run(sample("IBM").slice(0, 100), "buy_and_hold").save(tmp_path / "one")
    with pytest.raises(DataError, match="expected a saved result of format portfolio 1"):
        PortfolioResult.load(one)
    with pytest.raises(DataError, match="holds no saved result"):
        PortfolioResult.load(tmp_path)
