"""Random cases that vectorbt computes; runs in that engine's environment, from the repository's folder."""

from __future__ import annotations

import warnings
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt

from bench.cases.form import Fill, Outcome
from bench.cases.serve import serve
from bench.cases.vectorbt_settings import Draw, draw

SAME_NAME = (
    "init_cash", "fees", "fixed_fees", "slippage", "min_size", "max_size", "size_granularity", "lock_cash",
    "allow_partial", "cash_sharing", "call_seq", "update_value", "ffill_val_price", "size", "size_type", "direction",
    "accumulate", "upon_long_conflict", "upon_short_conflict", "upon_dir_conflict", "upon_opposite_entry", "sl_stop",
    "tp_stop", "sl_trail", "stop_entry_price", "stop_exit_price", "upon_stop_exit", "upon_stop_update",
)  # fmt: skip
"""Settings that the engine and the case call the same."""
ARRAYS = {"entry": "entries", "exit": "exits", "short_entry": "short_entries", "short_exit": "short_exits",
          "exec_price": "price"}  # fmt: skip
"""Inputs that the engine calls otherwise."""
NUMBERS = {
    "size": np.inf, "fees": 0.0, "fixed_fees": 0.0, "slippage": 0.0, "price": np.inf, "min_size": 1e-8,
    "max_size": np.inf, "size_granularity": np.nan,
}  # fmt: skip
SIGNAL_NUMBERS = {"sl_stop": np.nan, "tp_stop": np.nan, "open": np.nan, "high": np.nan, "low": np.nan}


def native(drawn: Draw) -> dict[str, Any]:
    """Arguments of the engine's function.

    Whatever may vary per bar is handed over as a whole array: the engine compiles for each combination of
    constants and arrays anew.
    """
    given = {name: drawn.config[name] for name in SAME_NAME if drawn.config.get(name) is not None}
    given.update({ARRAYS.get(name, name): values.T for name, values in drawn.inputs.items()})
    if drawn.config["cash_sharing"]:
        groups = drawn.config["group_by"]
        given["group_by"] = groups if groups is True else np.array(groups)
    shape = drawn.shape[::-1]
    numbers, flags = dict(NUMBERS), ["lock_cash", "allow_partial"]
    if drawn.api == "from_signals":
        numbers.update(SIGNAL_NUMBERS)
        flags += ["sl_trail", "entries", "exits"]
        if "direction" not in drawn.config:
            flags += ["short_entries", "short_exits"]
        if drawn.config["ohlc_given_for_stops"]:
            given.update({name: drawn.stack(name).T for name in ("open", "high", "low")})
    for name, default in numbers.items():
        given[name] = np.broadcast_to(np.asarray(given.get(name, default), float), shape).copy()
    for name in flags:
        given[name] = np.broadcast_to(np.asarray(given.get(name, False), bool), shape).copy()
    return given


def _fills(portfolio: vbt.Portfolio) -> list[Fill]:
    return [
        Fill(
            bar=int(row["idx"]),
            booked_bar=int(row["idx"]),
            asset=int(row["col"]),
            side=1 if row["side"] == 0 else -1,
            size=float(row["size"]),
            price=float(row["price"]),
            fee=float(row["fees"]),
        )
        for row in portfolio.orders.records_arr
    ]


def _trades(portfolio: vbt.Portfolio) -> dict[str, Any]:
    rows = portfolio.trades.records_arr
    names = {
        "col": "asset", "entry_idx": "entry_bar", "exit_idx": "exit_bar", "size": "size",
        "entry_price": "entry_price", "entry_fees": "entry_fees", "exit_price": "exit_price",
        "exit_fees": "exit_fees", "pnl": "pnl", "return": "return",
    }  # fmt: skip
    out: dict[str, Any] = {new: np.ascontiguousarray(rows[old]) for old, new in names.items()}
    out["direction"] = np.where(rows["direction"] == 0, "Long", "Short")
    out["status"] = np.where(rows["status"] == 0, "Open", "Closed")
    return {**out, "position_id": np.ascontiguousarray(rows["parent_id"])}


def make(rng: np.random.Generator) -> Outcome:
    """Draw and compute one case."""
    drawn = draw(rng)
    count, n = drawn.shape
    close = pd.DataFrame(
        drawn.stack("close").T,
        index=pd.to_datetime(drawn.bars[0].time_us, unit="us", utc=True),
        columns=[f"{number}_{one.name}" for number, one in enumerate(drawn.bars)],
    )
    call = getattr(vbt.Portfolio, drawn.api)
    portfolio = call(close, **native(drawn), log=True, freq="1D", engine="numba")

    def by_row(values: Any) -> np.ndarray:
        return np.asarray(values, float).reshape(n, -1).T

    return Outcome(
        engine="vectorbt",
        engine_version=metadata.version("vectorbt"),
        api=drawn.api,
        config=drawn.config,
        bars=drawn.bars,
        fills=_fills(portfolio),
        equity=by_row(portfolio.value()),
        cash=by_row(portfolio.cash()),
        position=by_row(portfolio.assets()).reshape(count, n),
        inputs=drawn.inputs,
        trades=_trades(portfolio),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve("vectorbt", make)
