"""The equity picture: as PNG bytes (lean or Matplotlib) or as a Matplotlib figure to work on.

Matplotlib is used through ``Figure`` and ``FigureCanvasAgg`` only: pyplot keeps every figure alive in a
global list and may open windows.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from peak_fast.errors import ConfigError, did_you_mean, require
from peak_fast.report.holdings import HELD_EQUALLY
from peak_fast.report.lean import draw_lean
from peak_fast.report.payload import is_bars, is_result, payload_of
from peak_fast.report.saving import pixels
from peak_fast.report.series import (
    LOG_SCALE_FROM,
    Picture,
    buy_and_hold,
    day,
    drawdown_of,
    filled,
    linear_ticks,
    log_ticks,
    min_max_points,
    money,
    percent,
    pick_markers,
    time_ticks,
)
from peak_fast.report.trades import trade_columns
from peak_kernels.arrays import FloatArray

Engine = Literal["auto", "lean", "matplotlib"]
ENGINES = ("auto", "lean", "matplotlib")
DEFAULT_SIZE = (1000, 580)
MAX_MARKED = 60
MAX_POINTS = 2_000


def prepare_picture(
    source: Any,
    equity: Any = None,
    *,
    benchmark: Any = None,
    trades: Any = None,
    title: str | None = None,
    stats: Mapping[str, Any] | None = None,
    time_zone: str | None = None,
    max_marked: int = MAX_MARKED,
) -> Picture:
    """Work out everything an equity picture shows, from a result or from arrays.

    Parameters
    ----------
    source
        A ``BacktestResult``, a ``PortfolioResult``, a payload (see :func:`peak_fast.report.payload_of`), or the bar
        times as int64 microseconds (UTC), shape (n_bars,), or ``None`` to number the bars.
    equity : array of float64, shape (n_bars,)
        With bar times. Gaps (NaN) take the value before them.
    benchmark : array of float64, shape (n_bars,), optional
        A second curve in money; one with times is drawn at those of the bars, and of Bars the closes, bought with
        the initial cash. For a result it is buy-and-hold from the closes, for a portfolio all assets held equally;
        ``False`` leaves it out.
    trades
        Any form that :func:`peak_fast.report.trades.trade_columns` takes.
    stats
        Figures for the headline; return and drawdown are worked out from the curve where absent.
    max_marked
        Largest number of trades marked; beyond it those with the largest absolute net profit are, and the
        picture says so.

    Raises
    ------
    ConfigError
        ``equity`` and times or benchmark differ in length.
    """
    if is_result(source) or isinstance(source, Mapping):
        payload = payload_of(source)
        picture = prepare_picture(
            payload.get("time_us"),
            payload["equity"],
            benchmark=buy_and_hold_of(payload) if benchmark is None else benchmark,
            trades=payload.get("trades") if trades is None else trades,
            title=title or headline(payload.get("metadata") or {}),
            stats=payload.get("stats") if stats is None else stats,
            time_zone=payload.get("time_zone") or time_zone,
            max_marked=max_marked,
        )
        if "values" in payload:
            picture = _of_units(picture, payload)
        return picture if benchmark is not None else replace(picture, benchmark_name=_held_name(payload))
    money_curve = filled([] if equity is None else equity)
    n_bars = len(money_curve)
    bar_times = None if source is None else np.asarray(source, dtype=np.int64)
    initial = (stats or {}).get("initial_cash")
    start = float(money_curve[0] if initial is None else initial) if n_bars else 0.0
    reference = _reference(benchmark, n_bars, bar_times, time_zone, start)
    for name, array in (("time_us", bar_times), ("benchmark", reference)):
        if array is not None and len(array) != n_bars:
            raise ConfigError(
                f"{name}: expected {n_bars} values as in equity, got {len(array)}; pass arrays of one length"
            )
    drawdown = drawdown_of(money_curve, None if initial is None else float(initial))
    markers = pick_markers(trade_columns(trades, bar_times), n_bars, max_marked)
    return Picture(
        equity=money_curve,
        benchmark=reference,
        drawdown=drawdown,
        time_us=bar_times,
        time_zone=time_zone,
        markers=markers,
        title=" ".join((title or "Backtest").split()),
        subtitle=_subtitle(stats or {}, money_curve, drawdown, bar_times, markers.total),
        log_scale=wants_log(money_curve, reference),
        benchmark_name=benchmark.name if is_bars(benchmark) else "Benchmark",
    )


def _of_units(picture: Picture, payload: Mapping[str, Any]) -> Picture:
    """The same with the drawdown of a unit of the account: money that comes or goes ends no fall."""
    known = payload.get("stats") or {}
    drawdown = drawdown_of(filled(payload["values"]), known.get("initial_cash"))
    told = _subtitle(known, picture.equity, drawdown, picture.time_us, picture.markers.total)
    return replace(picture, drawdown=drawdown, subtitle=told)


def _held_name(payload: Mapping[str, Any]) -> str:
    return HELD_EQUALLY if "assets" in (payload.get("stats") or {}) else "Buy and hold"


def _reference(
    benchmark: Any, n_bars: int, time_us: Any, time_zone: str | None, start: float
) -> FloatArray | None:
    """The second curve in money, float64[n_bars]: of Bars what ``start`` would have become."""
    if benchmark is None or benchmark is False:
        return None
    if isinstance(benchmark, np.ndarray):
        return filled(benchmark)
    from polars import selectors as cs

    from peak_fast.data import Calendar, aligned

    bars = is_bars(benchmark)
    given = benchmark.to_polars().select(cs.temporal(), "close") if bars else benchmark
    calendar = Calendar(n_bars, time_us, time_zone)
    levels = filled(aligned(given, calendar, "benchmark", [], ConfigError, levels=True))
    return buy_and_hold(levels, start) if bars else levels


def buy_and_hold_of(payload: Mapping[str, Any]) -> FloatArray | None:
    """The benchmark of a payload, from its closes; None where it has none."""
    equity = filled(payload["equity"])
    if payload.get("close") is None or len(equity) == 0:
        return None
    initial = (payload.get("stats") or {}).get("initial_cash")
    return buy_and_hold(payload["close"], float(equity[0] if initial is None else initial))


def headline(metadata: Mapping[str, Any]) -> str:
    """``sma_cross on AAPL`` from a result's metadata; ``Backtest`` where nothing is known."""
    strategy = (metadata.get("strategy") or {}).get("name")
    data = (metadata.get("data") or {}).get("name")
    return " on ".join(str(part) for part in (strategy or "Backtest", data) if part)


def wants_log(equity: FloatArray, benchmark: FloatArray | None) -> bool:
    """Whether curves have grown so much that a linear axis would show nothing of their early years."""
    curves = [c for c in (equity, benchmark) if c is not None and len(c)]
    if not curves:
        return False
    low, high = min(float(c.min()) for c in curves), max(float(c.max()) for c in curves)
    return low > 0.0 and high / low >= LOG_SCALE_FROM


def _subtitle(
    stats: Mapping[str, Any], equity: FloatArray, drawdown: FloatArray, times: Any, trades: int
) -> str:
    if len(equity) == 0:
        return "0 bars"
    total = stats.get("total_return")
    if total is None and equity[0] != 0.0:
        total = equity[-1] / equity[0] - 1.0
    deepest = stats.get("max_drawdown")
    parts = [] if total is None else [f"Return {_signed(float(total))}"]
    sharpe = stats.get("sharpe")
    if sharpe is not None and np.isfinite(sharpe):
        parts.append(f"Sharpe {float(sharpe):.2f}")
    parts.append(f"Max drawdown {percent(float(drawdown.min() if deepest is None else deepest), 1)}")
    parts.append(f"{trades:,} trade{'' if trades == 1 else 's'}")
    if times is not None and len(times):
        parts.append(f"{day(times[0])} to {day(times[-1])}")
    return "   ·   ".join(parts)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + percent(value, 1)


def render_equity_png(
    source: Any,
    equity: Any = None,
    *,
    benchmark: Any = None,
    trades: Any = None,
    title: str | None = None,
    stats: Mapping[str, Any] | None = None,
    time_zone: str | None = None,
    size: tuple[int, int] = DEFAULT_SIZE,
    engine: Engine = "auto",
) -> bytes:
    """The equity picture as PNG bytes.

    Parameters
    ----------
    source, equity, benchmark, trades, title, stats, time_zone
        See :func:`prepare_picture`.
    size
        Width and height in pixels.
    engine
        ``"lean"`` (Pillow glyphs on a palette canvas, about 3 ms), ``"matplotlib"`` (about 100 ms), or
        ``"auto"``: lean where Pillow is installed, else Matplotlib.

    Raises
    ------
    ConfigError
        Unknown engine, or arrays of different length.
    MissingDependencyError
        Neither renderer can be imported.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine: got {engine!r}; {did_you_mean(str(engine), ENGINES)}")
    picture = prepare_picture(
        source, equity, benchmark=benchmark, trades=trades, title=title, stats=stats, time_zone=time_zone
    )
    if engine == "lean" or (engine == "auto" and _has_pillow()):
        return draw_lean(picture, pixels(size)).png()
    return figure_png(_draw(picture, pixels(size)))


def _has_pillow() -> bool:
    try:
        import PIL.ImageFont  # noqa: F401
    except ImportError:
        return False
    return True


def figure_png(figure: Any) -> bytes:
    """A Matplotlib figure as PNG bytes at its own size and resolution."""
    buffer = io.BytesIO()
    # The default level costs 8 ms more per picture to save a tenth of the bytes.
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def for_notebooks(figure: Any) -> Any:
    """The same Matplotlib figure, which a notebook then shows as a picture, also where pyplot was never imported."""
    figure._repr_png_ = functools.partial(figure_png, figure)
    return figure


def equity_figure(
    source: Any, equity: Any = None, *, size: tuple[int, int] = DEFAULT_SIZE, **options: Any
) -> Any:
    """The equity picture as a ``matplotlib.figure.Figure`` (Agg canvas, not registered with pyplot).

    Parameters
    ----------
    source, equity, **options
        See :func:`prepare_picture`.
    size
        Width and height in pixels.

    Returns
    -------
    matplotlib.figure.Figure
        Axes 0 is equity (with benchmark and marks), axes 1 drawdown; curves hold at most 2,000 points each.

    Raises
    ------
    MissingDependencyError
        Matplotlib is not installed.
    """
    return for_notebooks(_draw(prepare_picture(source, equity, **options), pixels(size)))


def _draw(picture: Picture, size: tuple[int, int]) -> Any:
    figure_class = require("matplotlib.figure", extra="plot").Figure
    canvas_class = require("matplotlib.backends.backend_agg", extra="plot").FigureCanvasAgg
    dpi = 100
    figure = figure_class(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi, facecolor="white")
    canvas_class(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1.0))
    figure.subplots_adjust(left=0.075, right=0.98, top=0.875, bottom=0.065, hspace=0.06)
    figure.text(0.075, 0.952, picture.title, fontsize=13, fontweight="bold", color="#1f2937")
    figure.text(0.075, 0.908, picture.subtitle, fontsize=9.5, color="#6b7280")
    for axes in (upper, lower):
        styled(axes)
    if len(picture.equity) == 0:
        upper.text(0.5, 0.5, "No bars: nothing to draw", ha="center", transform=upper.transAxes)
        return figure
    draw_curves(picture, upper, lower)
    draw_marks(picture, upper)
    draw_axes(picture, upper, lower)
    figure.legend(
        loc="upper right", bbox_to_anchor=(0.988, 0.998), ncols=6, frameon=False, fontsize=9,
        handletextpad=0.4, columnspacing=1.2, labelcolor="#6b7280",
    )  # fmt: skip
    return figure


def styled(axes: Any) -> None:
    """The look of one panel."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b0b8c2")
    axes.grid(True, color="#eaedf1", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors="#6b7280", labelsize=9, length=3)


def draw_curves(picture: Picture, upper: Any, lower: Any) -> None:
    """Equity and benchmark above, drawdown below."""
    curves = [(picture.equity, "#1d4ed8", 1.4, 3, "Equity")]
    if picture.benchmark is not None:
        curves.append((picture.benchmark, "#94a3b8", 1.1, 2, picture.benchmark_name))
    for values, colour, width, order, label in curves:
        index, value = min_max_points(values, MAX_POINTS)
        upper.plot(index, value, color=colour, linewidth=width, zorder=order, label=label)
    index, depth = min_max_points(picture.drawdown, MAX_POINTS)
    lower.fill_between(index, depth, 0.0, color="#fae0dc", linewidth=0)
    lower.plot(index, depth, color="#c83c32", linewidth=0.9)


def draw_marks(picture: Picture, upper: Any, at: Any = None, without_exits_at: Any = ()) -> None:
    """Marks of the trades on a curve, the equity or ``at``; exits at some bars are left to the caller."""
    marks, curve = picture.markers, picture.equity if at is None else at
    if len(marks.entry_bar) == 0:
        return
    closed = (marks.exit_bar >= 0) & ~np.isin(marks.exit_bar, without_exits_at)
    transforms = require("matplotlib.transforms", extra="plot")
    groups = (
        (marks.entry_bar, marks.is_long, "^", "#048a6e", "Long entry", 38, -7.0),
        (marks.entry_bar, ~marks.is_long, "v", "#d95c0f", "Short entry", 38, 7.0),
        (marks.exit_bar, closed & marks.is_win, "o", "#048a6e", "Exit, profit", 24, 0.0),
        (marks.exit_bar, closed & ~marks.is_win, "o", "#be1e3c", "Exit, loss", 24, 0.0),
    )
    for bars, chosen, shape, colour, label, area, shift in groups:
        if not chosen.any():
            continue
        # Entries stand beside the curve, so that an exit on the same bar does not cover them.
        moved = transforms.offset_copy(upper.transData, fig=upper.figure, y=shift, units="points")
        upper.scatter(
            bars[chosen],
            curve[bars[chosen]],
            marker=shape,
            s=area,
            color=colour,
            edgecolors="white",
            linewidths=0.6,
            label=label,
            zorder=4,
            transform=moved,
        )
    if marks.total > len(marks.entry_bar):
        note = f"{len(marks.entry_bar)} largest of {marks.total:,} trades marked"
        upper.text(0.995, 0.02, note, ha="right", fontsize=9, color="#6b7280", transform=upper.transAxes)


def draw_axes(picture: Picture, upper: Any, lower: Any) -> None:
    """Ticks and labels of the panels of equity and drawdown."""
    n_bars = len(picture.equity)
    if picture.log_scale:
        upper.set_yscale("log")
        upper.minorticks_off()
    low, high = upper.get_ylim()
    values = log_ticks(low, high) if picture.log_scale else linear_ticks(low, high)
    step = None if picture.log_scale or len(values) < 2 else values[1] - values[0]
    upper.set_yticks(values, [money(v, step) for v in values])
    upper.set_ylim(low, high)
    upper.set_ylabel("Equity (log scale)" if picture.log_scale else "Equity", color="#6b7280", fontsize=9.5)
    deepest = min(float(picture.drawdown.min()), -1e-4) * 1.08
    decimals = 0 if deepest <= -0.035 else 1 if deepest <= -0.0035 else 2
    depths = linear_ticks(deepest, 0.0, 4)
    lower.set_yticks(depths, [percent(d, decimals) for d in depths])
    lower.set_ylim(deepest, 0.0)
    lower.set_ylabel("Drawdown", color="#6b7280", fontsize=9.5)
    ticks = time_ticks(picture.time_us, n_bars, picture.time_zone)
    lower.set_xticks([t.at for t in ticks], [t.label for t in ticks])
    lower.set_xlim(0, max(n_bars - 1, 1))
