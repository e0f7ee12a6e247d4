"""Trade statistics as plain data: the content of ``reports/trades_summary.json``.

The layout is described by ``docs/trades_summary.schema.json``; :data:`SCHEMA_VERSION` grows when a key
changes its meaning or goes away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peak_fast.report.plain import iso_times, json_safe
from peak_fast.report.series import STILL_OPEN
from peak_kernels.arrays import FloatArray

SCHEMA_VERSION = 2
LISTED_SYMBOLS = 20
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Columns(dict[str, Any]):
    """Trades as :func:`trade_columns` gives them, which takes them as they are."""


_INTEGERS = ("trade_id", "entry_bar", "exit_bar", "bars_held")
_NUMBERS = (
    "entry_price",
    "exit_price",
    "size",
    "fees",
    "slippage",
    "financing",
    "gross_pnl",
    "net_pnl",
    "return",
    "mae",
    "mfe",
)
_TIMES = ("entry_time", "exit_time")
_LONG = ("long", "1", "1.0", "buy")


def _raw_columns(trades: Any) -> Mapping[str, Any]:
    """Column access for every form in which trades arrive."""
    if trades is None:
        return {}
    if isinstance(trades, np.ndarray):
        if trades.dtype.names is None:
            raise TypeError(
                f"trades: expected a structured array, got a plain array of {trades.dtype}; "
                "pass records with named fields, a frame or a dict of columns"
            )
        return {name: trades[name] for name in trades.dtype.names}
    if isinstance(trades, Mapping):
        return trades
    if hasattr(trades, "get_columns"):
        return {column.name: column for column in trades.get_columns()}
    if hasattr(trades, "columns"):
        return {str(name): trades[name].to_numpy() for name in trades.columns}
    if isinstance(trades, Sequence):
        names = trades[0].keys() if trades else ()
        return {name: [row.get(name) for row in trades] for name in names}
    raise TypeError(
        "trades: expected a frame, a structured array, a dict of columns or a list of dicts, "
        f"got {type(trades).__name__}"
    )


def _times(values: Any) -> NDArray[np.int64]:
    """Microseconds since the epoch (UTC); a missing time is the smallest int64."""
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.dtype.kind == "O":
        array = np.array(
            [None if v is None else np.datetime64(_naive_utc(v), "us") for v in array], "datetime64[us]"
        )
    if array.dtype.kind in "US":
        array = array.astype("datetime64[us]")
    if array.dtype.kind == "M":
        return np.asarray(array.astype("datetime64[us]").astype(np.int64))
    return np.asarray(array, dtype=np.int64)


def _naive_utc(moment: Any) -> Any:
    zone = getattr(moment, "tzinfo", None)
    return moment if zone is None else (moment - moment.utcoffset()).replace(tzinfo=None)


def _sides(values: Any, n: int) -> NDArray[np.int64]:
    """+1 for long, -1 for short, from names or numbers."""
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.dtype.kind in "iufb":
        return np.where(array.astype(np.float64) > 0.0, 1, -1).astype(np.int64)
    return np.fromiter((1 if str(v).lower() in _LONG else -1 for v in array), dtype=np.int64, count=n)


def trade_columns(trades: Any, time_us: Any = None) -> Columns:
    """Trades of any form as one dict of equally long columns.

    Parameters
    ----------
    trades
        ``BacktestResult.trades`` (Polars or pandas), a NumPy structured array, a dict of columns, a list of
        dicts, or ``None``. Column names as in ``BacktestResult.trades``; absent numbers become NaN.
    time_us : array of int64, shape (n_bars,), optional
        Bar times; gives entry and exit times where the trades themselves have none.

    Returns
    -------
    dict
        int64: ``trade_id``, ``entry_bar``, ``exit_bar`` (-1 while open), ``bars_held``, ``side`` (+1/-1);
        float64: prices, size, costs, profits, ``return``, ``mae``, ``mfe``; int64 microseconds or ``None``:
        ``entry_time``, ``exit_time``; list of str: ``exit_reason`` and, where there is one, ``symbol``; bool: ``open``,
        whether there is no exit yet.
    """
    if isinstance(trades, Columns):
        return trades
    raw = _raw_columns(trades)
    n = len(next(iter(raw.values()))) if raw else 0
    columns = Columns()
    for name in _NUMBERS:
        columns[name] = _numbers(raw[name]) if name in raw else np.full(n, np.nan)
    for name in _INTEGERS:
        column = np.nan_to_num(_numbers(raw[name]), nan=-1.0) if name in raw else np.full(n, -1.0)
        columns[name] = column.astype(np.int64)
    if "trade_id" not in raw:
        columns["trade_id"] = np.arange(n, dtype=np.int64)
    columns["side"] = _sides(raw["side"], n) if "side" in raw else np.where(columns["size"] < 0.0, -1, 1)
    for name in _TIMES:
        columns[name] = _times(raw[name]) if name in raw else _bar_times(columns[name[:-4] + "bar"], time_us)
    if "bars_held" not in raw:
        columns["bars_held"] = np.where(
            columns["exit_bar"] >= 0, columns["exit_bar"] - columns["entry_bar"], -1
        )
    if "symbol" in raw:
        columns["symbol"] = [str(value) for value in raw["symbol"]]
    columns["exit_reason"] = _reasons(raw["exit_reason"]) if "exit_reason" in raw else ["unknown"] * n
    # Its result is that of a mark: it counts in sums only.
    columns["open"] = np.array([reason == STILL_OPEN for reason in columns["exit_reason"]], dtype=np.bool_)
    if "exit_bar" in raw:
        columns["open"] |= columns["exit_bar"] < 0
    return columns


def _reasons(values: Any) -> list[str]:
    """Names of exit reasons; the numbers in kernel records are positions in ``peak_kernels.slots.KINDS``."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        from peak_kernels.slots import KINDS

        return [
            KINDS[code] if 0 <= code < len(KINDS) else str(code) for code in values.astype(np.int64).tolist()
        ]
    return [str(value) for value in values]


def _numbers(values: Any) -> FloatArray:
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    return np.asarray(array, dtype=np.float64)


def _bar_times(bars: NDArray[np.int64], time_us: Any) -> NDArray[np.int64] | None:
    if time_us is None or len(time_us) == 0:
        return None
    times = np.asarray(time_us, dtype=np.int64)
    known = (bars >= 0) & (bars < len(times))
    if known.all():
        return times[bars]
    return np.where(known, times[np.clip(bars, 0, len(times) - 1)], np.iinfo(np.int64).min)


def _finite(values: FloatArray) -> FloatArray:
    known = np.isfinite(values)
    return values if known.all() else values[known]


def _sum(values: FloatArray) -> float:
    """Sum of all that is no NaN."""
    missing = np.isnan(values)
    return float(np.add.reduce(np.where(missing, 0.0, values) if missing.any() else values))


def _mean(values: FloatArray) -> float | None:
    finite = _finite(values)
    return float(np.add.reduce(finite)) / len(finite) if len(finite) else None


def _distribution(values: FloatArray) -> dict[str, Any]:
    """Mean, sample standard deviation, extremes and quantiles (linear interpolation) of the finite values."""
    finite = np.sort(_finite(values))
    names = [f"p{round(100 * q):02d}" for q in QUANTILES]
    mean = _mean(values)
    if mean is None:
        return {"mean": None, "std": None, "min": None, "max": None, "quantiles": dict.fromkeys(names)}
    return {
        "mean": mean,
        "std": float(_finite(values).std(ddof=1)) if len(finite) > 1 else None,
        "min": float(finite[0]),
        "max": float(finite[-1]),
        "quantiles": {name: _quantile(finite, q) for name, q in zip(names, QUANTILES, strict=True)},
    }


def _quantile(ordered: FloatArray, share: float) -> float:
    """As ``numpy.quantile``, of values in their order."""
    last = len(ordered) - 1
    below = int(last * share)
    part = last * share - below
    low, high = float(ordered[below]), float(ordered[min(below + 1, last)])
    return high - (high - low) * (1.0 - part) if part >= 0.5 else low + (high - low) * part


def _group(columns: Mapping[str, Any], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Statistics of one group of trades (a side, an exit reason)."""
    profit = columns["net_pnl"][chosen]
    wins, losses = profit[profit > 0.0], profit[profit < 0.0]
    lost = -float(losses.sum())
    return {
        "count": len(profit),
        "winning": len(wins),
        "losing": len(losses),
        "win_rate": len(wins) / len(profit) if len(profit) else None,
        "net_pnl": _sum(profit),
        "mean_net_pnl": _mean(profit),
        "mean_return": _mean(columns["return"][chosen]),
        "profit_factor": float(wins.sum()) / lost if lost > 0.0 else None,
        "mean_win": _mean(wins),
        "mean_loss": _mean(losses),
        "mean_bars_held": _mean(columns["bars_held"][chosen].astype(np.float64)),
    }


def _streaks(profit: FloatArray) -> dict[str, int]:
    """Longest runs of wins and of losses, and the run at the end (+ wins, - losses, 0 neither)."""
    sign = np.sign(np.nan_to_num(profit)).astype(np.int64)
    if len(sign) == 0:
        return {"longest_winning": 0, "longest_losing": 0, "current": 0}
    starts = np.concatenate(([0], np.flatnonzero(np.diff(sign)) + 1))
    lengths = np.diff(np.concatenate((starts, [len(sign)])))
    kinds = sign[starts]
    return {
        "longest_winning": int(lengths[kinds > 0].max(initial=0)),
        "longest_losing": int(lengths[kinds < 0].max(initial=0)),
        "current": int(lengths[-1] * kinds[-1]),
    }


def trade_records(columns: Columns, chosen: Sequence[int]) -> list[dict[str, Any]]:
    """The chosen trades as JSON-safe dicts, in the order of ``chosen``."""
    at = np.asarray(chosen, dtype=np.int64)
    fields: dict[str, list[Any]] = {
        "trade_id": columns["trade_id"][at].tolist(),
        "side": ["long" if side > 0 else "short" for side in columns["side"][at].tolist()],
        "exit_reason": [columns["exit_reason"][i] for i in at.tolist()],
        **({"symbol": [columns["symbol"][i] for i in at.tolist()]} if "symbol" in columns else {}),
        "entry_bar": columns["entry_bar"][at].tolist(),
        "exit_bar": columns["exit_bar"][at].tolist(),
    }
    for name in _TIMES:
        fields[name] = [None] * len(at) if columns[name] is None else iso_times(columns[name][at])
    fields["bars_held"] = columns["bars_held"][at].tolist()
    for name in _NUMBERS:
        fields[name] = [value if math.isfinite(value) else None for value in columns[name][at].tolist()]
    return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]


def _closed(columns: Columns) -> dict[str, Any]:
    """What is counted of trades that have an end."""
    chosen = ~columns["open"]
    return {
        name: None if columns[name] is None else np.asarray(columns[name])[chosen]
        for name in ("net_pnl", "return", "mae", "mfe", "bars_held", "side", "exit_reason", *_TIMES)
    }


def _groups(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics of all trades, of each side and of each exit reason."""
    side, reasons = columns["side"], columns["exit_reason"].astype(np.str_)
    whole = _group(columns, np.ones(len(side), dtype=np.bool_))

    def group(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        return dict(whole) if chosen.all() else _group(columns, chosen)

    return {
        "all": whole,
        "by_side": {"long": group(side > 0), "short": group(side < 0)},
        "by_exit_reason": {str(reason): group(reasons == reason) for reason in np.unique(reasons)},
    }


def _listed(columns: Columns, profit: FloatArray, listed: int) -> dict[str, Any]:
    """The best and the worst of the closed trades, whose profits are given, and the first and last of all."""
    n, closed = len(columns["net_pnl"]), np.flatnonzero(~columns["open"])
    ranked = closed[np.argsort(np.nan_to_num(profit), kind="stable")]
    shown, some = min(listed, n), [int(ranked[-1]), int(ranked[0])] if len(ranked) else []
    found = trade_records(columns, [*range(shown), *range(n - shown, n), *some])
    best, worst = found[2 * shown :] or (None, None)
    return {"best": best, "worst": worst, "first": found[:shown], "last": found[shown : 2 * shown]}


def _counts(columns: Columns, whole: Mapping[str, Any]) -> dict[str, int]:
    total = len(columns["net_pnl"])
    return {
        "total": total,
        "closed": whole["count"],
        "open": total - whole["count"],
        "winning": whole["winning"],
        "losing": whole["losing"],
        "breakeven": whole["count"] - whole["winning"] - whole["losing"],
        "long": int((columns["side"] > 0).sum()),
        "short": int((columns["side"] < 0).sum()),
    }


def _holding(columns: Mapping[str, Any]) -> dict[str, float | None]:
    held = columns["bars_held"][columns["bars_held"] >= 0].astype(np.float64)
    seconds = None
    if columns["entry_time"] is not None and columns["exit_time"] is not None and len(held):
        missing = np.iinfo(np.int64).min
        known = (columns["entry_time"] != missing) & (columns["exit_time"] != missing)
        seconds = _mean((columns["exit_time"][known] - columns["entry_time"][known]) / 1e6)
    if len(held) == 0:
        return {
            "mean_bars": None,
            "median_bars": None,
            "min_bars": None,
            "max_bars": None,
            "mean_seconds": None,
        }
    return {
        "mean_bars": float(held.mean()),
        "median_bars": _quantile(np.sort(held), 0.5),
        "min_bars": float(held.min()),
        "max_bars": float(held.max()),
        "mean_seconds": seconds,
    }


def _by_symbol(columns: Columns) -> dict[str, Any]:
    """Trades and net profit of the assets that made and lost the most."""
    names, place = np.unique(np.asarray(columns["symbol"], dtype=np.str_), return_inverse=True)
    profit = np.bincount(place, np.nan_to_num(columns["net_pnl"]), names.size)
    count = np.bincount(place, minlength=names.size)
    most = np.argsort(-np.abs(profit), kind="stable")[:LISTED_SYMBOLS]
    shown = most[np.argsort(-profit[most], kind="stable")].tolist()
    return {str(names[at]): {"count": int(count[at]), "net_pnl": float(profit[at])} for at in shown}


def trades_summary(
    trades: Any, stats: Mapping[str, Any] | None = None, *, time_us: Any = None, listed: int = 10
) -> dict[str, Any]:
    """Everything worth knowing about the trades of a backtest, as strict JSON data.

    Parameters
    ----------
    trades
        See :func:`trade_columns`.
    stats
        ``BacktestResult.stats``; copied under ``"stats"`` with NaN and infinity as ``null``.
    time_us : array of int64, shape (n_bars,), optional
        Bar times, for trades without times of their own.
    listed
        How many of the first and of the last trades are listed in full.

    Returns
    -------
    dict
        Schema ``docs/trades_summary.schema.json``.  Figures are those of ``BacktestResult.stats``: over closed
        trades; a trade that is still open counts in sums (``totals``) and is listed.  A figure without meaning (a win
        rate of no trades, a profit factor without a loss) is ``None``.
    """
    columns = trade_columns(trades, time_us)
    closed = _closed(columns)
    profit, groups = closed["net_pnl"], _groups(closed)
    whole = groups.pop("all")
    mean_win, mean_loss = whole["mean_win"], whole["mean_loss"]
    return {
        "schema_version": SCHEMA_VERSION,
        "counts": _counts(columns, whole),
        "win_rate": whole["win_rate"],
        "profit_factor": whole["profit_factor"],
        "expectancy": whole["mean_net_pnl"],
        "payoff_ratio": mean_win / -mean_loss if mean_win is not None and mean_loss else None,
        "totals": {
            name: _sum(columns[name]) for name in ("net_pnl", "gross_pnl", "fees", "slippage", "financing")
        }
        | {"open_net_pnl": _sum(columns["net_pnl"][columns["open"]])},
        "net_pnl": _distribution(profit),
        "return": _distribution(closed["return"]),
        **groups,
        **({"by_symbol": _by_symbol(columns)} if "symbol" in columns else {}),
        "holding": _holding(closed),
        "excursions": {"mean_mae": _mean(closed["mae"]), "mean_mfe": _mean(closed["mfe"])},
        "streaks": _streaks(profit),
        **_listed(columns, profit, listed),
        "stats": json_safe(dict(stats or {})),
    }
