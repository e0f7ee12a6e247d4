"""Reading the cases of other engines and comparing runs with them (no rule of any engine lives here)."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl


class Unsupported(Exception):
    """The adapter does not claim this case; the message says why."""


@dataclass
class Run:
    """What an adapter hands back, in the layout of the case folder."""

    fills: dict[str, np.ndarray]
    """bar, booked_bar, asset, side, size, price, fee: one element a fill, in sequence."""
    equity: np.ndarray
    """``[group, bar]``."""
    cash: np.ndarray
    """``[group, bar]``."""
    position: np.ndarray
    """``[asset, bar]``."""
    status: dict[str, list] = field(default_factory=dict)
    """Order name -> list of (status, bar), where the case knows it."""


@dataclass
class Case:
    """One case folder."""

    folder: Path
    meta: dict
    config: dict
    read: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Tables that were read already."""

    @property
    def engine(self) -> str:
        return self.meta["engine"]

    def table(self, name: str) -> pl.DataFrame:
        """One of the case's tables, sorted by asset (or group) and bar where it has them."""
        if name not in self.read:
            table = pl.read_parquet(self.folder / f"{name}.parquet")
            order = [key for key in ("seq", "asset", "group", "bar") if key in table.columns]
            self.read[name] = table.sort(order)
        return self.read[name]

    def script(self) -> list[dict]:
        """Actions in the sequence of the file, infinities and NaN as numbers; none without a script."""
        path = self.folder / "script.json"
        entries = json.loads(path.read_text()) if path.exists() else []
        return [{key: WORDS.get(str(value), value) for key, value in entry.items()} for entry in entries]

    def number(self, name: str, default: float) -> float:
        """Numeric setting; the default where it is absent or null."""
        value = self.config.get(name)
        return default if value is None else float(value)

    def prices(self) -> dict[str, np.ndarray]:
        """``[asset, bar]`` arrays of open, high, low, close, volume, and the time stamps (us) of the bars."""
        bars = self.table("bars")
        if "volume" not in bars.columns:
            bars = bars.with_columns(volume=pl.lit(0.0))
        out = {name: _by_asset(bars, name) for name in ("open", "high", "low", "close", "volume")}
        out["time_us"] = bars["timestamp"].dt.epoch("us").to_numpy()[: out["close"].shape[1]]
        return out

    def inputs(self, name: str) -> np.ndarray | None:
        """``[asset, bar]`` array of a column of ``inputs.parquet``; None when there is no such column."""
        if not (self.folder / "inputs.parquet").exists():
            return None
        frame = self.table("inputs")
        return _by_asset(frame, name) if name in frame.columns else None


WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Numbers that JSON has no form for, as the cases write them."""


def _by_asset(frame: pl.DataFrame, name: str) -> np.ndarray:
    """Column of a frame sorted by asset and bar as ``[asset, bar]``: False where a Boolean is null, else NaN."""
    column = frame[name]
    if column.dtype == pl.Boolean:
        column = column.fill_null(False)
    else:
        column = column.cast(pl.Float64).fill_null(np.nan)
    return np.ascontiguousarray(column.to_numpy().reshape(frame["asset"].n_unique(), -1))


def load_case(folder: Path) -> Case:
    meta = json.loads((folder / "case.json").read_text())
    return Case(folder, meta, meta.get("config") or {})


def find_cases(root: Path) -> list[Path]:
    """All case folders below ``root``, by name."""
    return [path.parent for path in sorted(root.glob("*/case.json"))]


def _close(ours, theirs, rtol, atol):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        return same | (np.abs(ours - theirs) <= atol + rtol * np.abs(theirs))


def differences(case: Case, run: Run) -> list[str]:
    """What differs between a run and the stored numbers; empty when the case is reproduced."""
    tolerance = case.meta.get("tolerance") or {}
    rtol = tolerance.get("rtol", 1e-9)
    atol_cash, atol = tolerance.get("atol_cash", 1e-6), tolerance.get("atol_other", 1e-9)
    found = []
    fills = case.table("fills")
    count = len(run.fills["bar"])
    if count != fills.height:
        found.append(f"{count} fills, expected {fills.height}")
    common = min(count, fills.height)
    for name in ("bar", "booked_bar", "asset", "side"):
        wrong = np.flatnonzero(run.fills[name][:common] != fills[name].to_numpy()[:common])
        if wrong.size:
            found.append(
                f"fill {wrong[0]}: {name} {run.fills[name][wrong[0]]}, expected {fills[name][int(wrong[0])]}"
            )
    for name, slack in (("size", atol), ("price", 0.0), ("fee", atol)):
        wrong = np.flatnonzero(
            ~_close(run.fills[name][:common], fills[name].to_numpy()[:common], rtol, slack)
        )
        if wrong.size:
            found.append(
                f"fill {wrong[0]}: {name} {run.fills[name][wrong[0]]}, expected {fills[name][int(wrong[0])]}"
            )
    equity = case.table("equity")
    for name, ours in (("equity", run.equity), ("cash", run.cash)):
        theirs = equity[name].to_numpy().reshape(ours.shape[0], -1)
        wrong = np.argwhere(~_close(ours, theirs, rtol, atol_cash))
        if len(wrong):
            group, bar = wrong[0]
            found.append(
                f"{name} of group {group} at bar {bar}: {ours[group, bar]}, expected {theirs[group, bar]}"
            )
    theirs = case.table("positions")["position"].to_numpy().reshape(run.position.shape)
    wrong = np.argwhere(~_close(run.position, theirs, rtol, atol))
    if len(wrong):
        asset, bar = wrong[0]
        found.append(
            f"position of asset {asset} at bar {bar}: {run.position[asset, bar]}, expected {theirs[asset, bar]}"
        )
    return found
