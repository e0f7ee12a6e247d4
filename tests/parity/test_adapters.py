"""What adapters make of scripts, where none of the stored cases decides it."""

import numpy as np
import pytest

from bench.cases import form, made_up
from tests.parity.adapters import backtrader
from tests.parity.cases import load_case

DAYS = np.arange(6) * made_up.DAY_US


def fills_of(folder, adapter, engine, script):
    """Bar, side and price of each fill on bars that rise by one, from an open of 100 up to 105."""
    price = np.arange(100.0, 106.0)
    columns = {"open": price, "high": price + 2.0, "low": price - 1.0, "close": price + 1.0, "volume": price}
    nothing = np.zeros((1, 6))
    case = form.Outcome(
        engine=engine,
        engine_version="1",
        api="",
        config={"cash": 1e4},
        bars=[made_up.Bars("X", DAYS, columns)],
        fills=[],
        equity=nothing,
        cash=nothing,
        position=nothing,
        script=script,
    )
    found = adapter.run(load_case(form.write(folder, "case", case))).fills
    return list(zip(found["bar"].tolist(), found["side"].tolist(), found["price"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("valid", "expected"), [({}, [(1, 1, 101.0), (3, -1, 105.0)]), ({"valid_bar": 2}, [(1, 1, 101.0)])]
)
def test_children_of_a_market_order_expire_though_it_does_not(tmp_path, valid, expected):
    bracket = {"op": "buy_bracket", "exectype": "Market", "size": 1.0, "stopprice": 90.0, "limitprice": 105.0}
    script = [{"bar": 0, "id": "a", **bracket, **valid}]
    assert fills_of(tmp_path, backtrader, "backtrader", script) == expected
