"""The equity picture shows what the arrays say: curves, ticks, marks, pixels."""

import io
import pickle
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import BacktestEngine, Bars, Study, Sweep, sample, synthetic
from peak_fast.errors import ConfigError
from peak_fast.report import (
    equity_figure,
    figure_png,
    prepare_picture,
    render_equity_png,
)
from peak_fast.report.canvas import BASE, LEVELS, PALETTE, Canvas, fitted, text_mask
from peak_fast.report.series import (
    buy_and_hold,
    column_spans,
    drawdown_of,
    filled,
    linear_ticks,
    log_ticks,
    min_max_points,
    money,
    percent,
    time_ticks,
)
from tests.report_fakes import DAY_US, bar_times, fake_result, walk

pytest.importorskip("PIL")
from PIL import Image

BLUE = (29, 78, 216)
AREA = (250, 224, 220)


def pixels(png):
    """RGB array of a PNG, decoded by Pillow."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def rows_of(image, colour, column):
    return np.flatnonzero((image[:, column] == colour).all(axis=1))


class TestSeries:
    def test_drawdown_by_hand(self):
        assert drawdown_of(np.array([100.0, 120.0, 90.0, 126.0])).tolist() == [0.0, 0.0, -0.25, 0.0]

    def test_drawdown_counts_from_the_start_capital(self):
        assert drawdown_of(np.array([75.0, 120.0, 60.0]), start=100.0).tolist() == [-0.25, 0.0, -0.5]

    def test_drawdown_is_zero_while_the_peak_is_not_positive(self):
        assert drawdown_of(np.array([-5.0, -9.0, 10.0, 5.0])).tolist() == [0.0, 0.0, 0.0, -0.5]

    def test_gaps_take_the_value_before_them_and_leading_gaps_the_first(self):
        assert filled([np.nan, 2.0, np.nan, np.inf, 5.0]).tolist() == [2.0, 2.0, 2.0, 2.0, 5.0]
        assert filled([np.nan, np.nan]).tolist() == [0.0, 0.0]

    def test_buy_and_hold_starts_at_the_first_valid_close(self):
        curve = buy_and_hold([np.nan, 50.0, 75.0], 1_000.0)
        assert curve.tolist() == [1_000.0, 1_000.0, 1_500.0]
        assert buy_and_hold([0.0, 1.0], 1_000.0) is None
        assert buy_and_hold([], 1_000.0) is None

    @given(st.integers(1, 400), st.integers(1, 90), st.integers(0, 2**31))
    def test_column_spans_equal_a_densely_sampled_polyline(self, n, columns, seed):
        values = np.random.default_rng(seed).normal(size=n)
        low, high = column_spans(values, columns)
        border = np.linspace(0.0, n - 1.0, columns + 1)
        for column in range(columns):
            inside = [i for i in range(n) if border[column] <= i <= border[column + 1]]
            at = [border[column], border[column + 1], *inside]
            exact = np.interp(at, np.arange(n), values)
            assert low[column] == pytest.approx(exact.min(), abs=1e-9)
            assert high[column] == pytest.approx(exact.max(), abs=1e-9)

    @given(st.integers(1, 5_000), st.integers(4, 300), st.integers(0, 2**31))
    def test_min_max_points_keep_extremes_ends_and_limit(self, n, limit, seed):
        values = np.random.default_rng(seed).normal(size=n)
        index, kept = min_max_points(values, limit)
        assert len(index) <= max(limit, 4)
        assert (np.diff(index) > 0).all()
        assert (kept == values[index]).all()
        assert {0, n - 1, int(values.argmin()), int(values.argmax())} <= set(index.tolist())

    def test_linear_ticks_are_round_and_inside(self):
        assert linear_ticks(97_000, 141_000) == [100_000, 110_000, 120_000, 130_000, 140_000]
        assert linear_ticks(-0.23, 0.0, 4) == pytest.approx([-0.2, -0.15, -0.1, -0.05, 0.0])
        assert linear_ticks(-0.84, 0.0, 4) == pytest.approx([-0.8, -0.6, -0.4, -0.2, 0.0])
        assert linear_ticks(5.0, 5.0) == [5.0]

    @given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(3, 10))
    def test_number_of_linear_ticks_is_near_what_is_wanted(self, low, span, count):
        ticks = linear_ticks(low, low + span, count)
        assert count / 2.6 - 1 <= len(ticks) <= 1.3 * count + 1

    def test_log_ticks(self):
        assert log_ticks(60_000, 5_100_000) == [1e5, 2e5, 5e5, 1e6, 2e6, 5e6]

    @pytest.mark.parametrize(
        ("value", "step", "text"),
        [
            (100_000, 20_000, "100k"),
            (102_500, 500, "102.5k"),
            (1_250_000, 50_000, "1.25M"),
            (-2_000_000_000, 1_000_000_000, "-2B"),
            (0.0, 20.0, "0"),
            (950, 50, "950"),
        ],
    )
    def test_money_labels(self, value, step, text):
        assert money(value, step) == text

    def test_percent_labels(self):
        assert percent(-0.12) == "-12%"
        assert percent(-0.0) == "0%"
        assert percent(0.12345, 1) == "12.3%"


class TestTimeTicks:
    def test_years_stand_where_the_year_turns(self):
        times = bar_times(2_200)
        ticks = time_ticks(times, len(times), None)
        assert [t.label for t in ticks] == ["2016", "2017", "2018", "2019", "2020", "2021"]
        for tick in ticks:
            assert str(np.datetime64(int(times[int(tick.at)]), "us"))[:10] == f"{tick.label}-01-01"

    def test_gaps_move_a_tick_to_the_next_bar(self):
        times = bar_times(2_200)
        keep = np.array(
            [np.datetime64(int(t), "us").astype("datetime64[D]").item().weekday() < 5 for t in times]
        )
        times = times[keep]
        for tick in time_ticks(times, len(times), None):
            year = int(tick.label)
            assert times[int(tick.at)] >= (np.datetime64(f"{year}", "us")).astype(np.int64)
            assert times[int(tick.at) - 1] < (np.datetime64(f"{year}", "us")).astype(np.int64)

    def test_intraday_labels_hours_in_the_data_time_zone(self):
        # 2024-03-08 14:30 UTC is 09:30 in New York.
        start = int(np.datetime64("2024-03-08T14:30", "us").astype(np.int64))
        times = bar_times(390, 60_000_000, start)
        assert time_ticks(times, 390, "America/New_York")[0].label == "10:00"
        assert time_ticks(times, 390, None)[0].label == "15:00"

    def test_midnight_ticks_survive_a_clock_change(self):
        zone = "America/New_York"
        start = int(np.datetime64("2024-03-05T05:00", "us").astype(np.int64))
        times = bar_times(24 * 8, 3_600_000_000, start)
        for tick in time_ticks(times, len(times), zone):
            moment = np.datetime64(int(times[int(tick.at)]), "us").item().replace(tzinfo=ZoneInfo("UTC"))
            assert moment.astimezone(ZoneInfo(zone)).hour == 0

    @pytest.mark.parametrize("step_us", [1, 1_000_000, 60_000_000, DAY_US, 30 * DAY_US, 3_000 * DAY_US])
    def test_any_bar_length_gives_a_few_distinct_ticks(self, step_us):
        times = bar_times(500, step_us)
        ticks = time_ticks(times, 500, None)
        assert 1 <= len(ticks) <= 10
        assert len({t.label for t in ticks}) == len(ticks)
        assert all(0 <= t.at < 500 for t in ticks)

    def test_without_times_bars_are_numbered(self):
        labels = [t.label for t in time_ticks(None, 5_001, None)]
        assert labels[0] == "0" and labels[-1] == "5,000"

    def test_unknown_zone_falls_back_to_bar_numbers(self):
        assert time_ticks(bar_times(100), 100, "Nowhere/Land")[0].label == "0"


class TestCanvas:
    def test_png_decodes_to_the_pixels(self):
        canvas = Canvas(40, 30)
        canvas.block(3, 4, 10, 9, "equity")
        canvas.marks(np.array([20.0]), np.array([15.0]), "dot", 7, "short")
        decoded = pixels(canvas.png())
        palette = np.frombuffer(PALETTE, np.uint8).reshape(-1, 3)
        assert (decoded == palette[canvas.pixels]).all()
        assert tuple(decoded[5, 5]) == BLUE

    def test_spans_cover_what_they_should(self):
        canvas = Canvas(10, 20)
        canvas.spans(2, np.array([4.0, 5.5, 7.25]), np.array([8.0, 7.5, 7.75]), "equity")
        level = canvas.pixels.astype(int) - BASE["equity"]
        full = LEVELS - 1
        assert level[4:8, 2].tolist() == [full] * 4
        assert level[5:8, 3].tolist() == [round(full / 2), full, round(full / 2)]
        assert level[7, 4] == round(full / 2)
        assert (canvas.pixels > 0).sum() == 8

    def test_area_keeps_grid_lines(self):
        canvas = Canvas(10, 20)
        canvas.block(0, 6, 10, 7, "grid")
        canvas.area(0, 5, np.full(10, 9.0))
        decoded = pixels(canvas.png())
        assert tuple(decoded[5, 0]) == AREA
        assert tuple(decoded[6, 0]) not in (AREA, (255, 255, 255))
        assert tuple(decoded[9, 0]) == (255, 255, 255)

    def test_marks_at_the_border_stay_inside(self):
        canvas = Canvas(30, 30)
        canvas.marks(np.array([-50.0, 500.0]), np.array([-50.0, 500.0]), "up", 9, "long")
        assert (canvas.pixels > 0).any()

    def test_text_is_cut_to_fit(self):
        assert fitted("short", 12, 500) == "short"
        cut = fitted("a very long title of a run\nin two lines", 12, 100)
        assert cut.endswith("…") and text_mask(cut, 12).shape[1] <= 104


class TestPicture:
    def test_rising_equity_goes_from_bottom_left_to_top_right(self):
        image = pixels(render_equity_png(bar_times(500), np.linspace(100.0, 200.0, 500), engine="lean"))
        width = image.shape[1]
        left, right = rows_of(image, BLUE, 100), rows_of(image, BLUE, width - 40)
        assert len(left) and len(right)
        assert left.mean() > right.mean() + 150

    def test_one_bar_spike_among_a_million_is_visible(self):
        equity = np.full(1_000_000, 100.0)
        equity[500_000] = 101.0
        image = pixels(render_equity_png(None, equity, engine="lean"))
        blue = (image == BLUE).all(axis=2)[60:]
        tallest = blue.sum(axis=0)
        assert tallest.max() > 200
        assert (tallest > 50).sum() <= 2

    def test_drawdown_panel_is_shaded_where_equity_is_below_its_peak(self):
        equity = np.concatenate((np.linspace(100, 120, 250), np.linspace(120, 90, 250)))
        image = pixels(render_equity_png(bar_times(500), equity, engine="lean"))
        shaded = (image == AREA).all(axis=2).sum(axis=0)
        assert shaded[150:450].sum() == 0
        assert shaded[900] > 60

    @pytest.mark.parametrize("engine", ["lean", "matplotlib"])
    @pytest.mark.parametrize("size", [(1000, 580), (640, 400), (1600, 900)])
    def test_size_and_engine(self, engine, size):
        image = Image.open(io.BytesIO(render_equity_png(fake_result(), size=size, engine=engine)))
        assert image.size == size

    @pytest.mark.parametrize("engine", ["lean", "matplotlib"])
    @pytest.mark.parametrize(
        "equity",
        [
            [],
            [100.0],
            [100.0, 100.0],
            [100.0, 0.0, -50.0, 20.0],
            [np.nan, 100.0, np.inf],
            [1e-9, 2e-9],
            [1.0, 1e12],
            [0.0, 0.0],
        ],
    )
    def test_odd_curves_are_drawn(self, engine, equity):
        assert pixels(render_equity_png(None, equity, engine=engine)).std() > 0

    def test_many_trades_mark_the_largest_and_say_so(self):
        picture = prepare_picture(fake_result(2_500, 400), max_marked=60)
        trades = fake_result(2_500, 400).trades
        largest = trades["net_pnl"].abs().sort(descending=True)[:60].min()
        marked = trades.filter(pl.col("net_pnl").abs() >= largest)
        assert picture.markers.total == 400
        assert sorted(picture.markers.entry_bar.tolist()) == sorted(marked["entry_bar"].to_list())

    def test_an_open_trade_has_no_exit_mark(self):
        trades = {"entry_bar": [5, 20], "exit_bar": [10, 49], "exit_reason": ["signal", "open"]}
        markers = prepare_picture(None, walk(50), trades=trades).markers
        assert markers.entry_bar.tolist() == [5, 20]
        assert markers.exit_bar.tolist() == [10, -1]

    def test_headline(self):
        picture = prepare_picture(fake_result())
        assert picture.title == "sma_cross on AAPL"
        assert "Sharpe 0.83" in picture.subtitle
        assert "40 trades" in picture.subtitle
        assert "2015-01-02 to 2021-11-05" in picture.subtitle

    def test_headline_from_the_curve_alone(self):
        picture = prepare_picture(None, [100.0, 120.0, 90.0])
        assert picture.subtitle.startswith("Return -10.0%")
        assert "Max drawdown -25.0%" in picture.subtitle

    def test_benchmark_is_buy_and_hold_from_initial_cash(self):
        result = fake_result()
        picture = prepare_picture(result)
        close = result.bars.close
        assert picture.benchmark == pytest.approx(100_000.0 * close / close[0])
        assert prepare_picture(result, benchmark=False).benchmark is None

    @pytest.mark.parametrize("stamp", ["open", "close"])
    def test_a_benchmark_of_bars_is_bought_with_the_initial_cash(self, stamp):
        own, other = (
            Bars.from_frame(sample(name).to_polars(), stamp=stamp, name=name) for name in ("IBM", "MSFT")
        )
        result = BacktestEngine(initial_cash=5_000.0).run(own, "macd")
        picture = prepare_picture(result, benchmark=other)
        assert picture.benchmark == pytest.approx(5_000.0 * other.close / other.close[0])
        assert picture.benchmark_name == other.name
        assert result.levels_of(other) == pytest.approx(other.close)

    def test_a_second_curve_is_named_for_what_it_is(self):
        result = fake_result()
        assert prepare_picture(result).benchmark_name == "Buy and hold"
        assert prepare_picture(result, benchmark=np.asarray(result.equity)).benchmark_name == "Benchmark"

    def test_steep_growth_gets_a_log_scale(self):
        assert prepare_picture(None, np.geomspace(100.0, 1e5, 50)).log_scale
        assert not prepare_picture(None, np.linspace(100.0, 300.0, 50)).log_scale

    def test_bars_without_timestamps_are_numbered(self):
        result = fake_result()
        result.bars.has_time = False
        assert prepare_picture(result).time_us is None

    def test_unequal_lengths_name_both(self):
        with pytest.raises(ConfigError, match=r"time_us: expected 3 values as in equity, got 2"):
            render_equity_png([1, 2], [1.0, 2.0, 3.0])
        with pytest.raises(ConfigError, match=r"benchmark: expected 3"):
            render_equity_png(None, [1.0, 2.0, 3.0], benchmark=[1.0])

    def test_unknown_engine_is_refused_with_the_known_ones(self):
        with pytest.raises(ConfigError, match="did you mean 'lean'"):
            render_equity_png(None, [1.0, 2.0], engine="leen")

    def test_figure_has_both_panels_and_few_points(self):
        figure = equity_figure(None, walk(300_000), benchmark=walk(300_000, 1))
        upper, lower = figure.axes
        assert all(len(line.get_xdata()) <= 2_000 for line in (*upper.lines, *lower.lines))
        assert len(upper.lines) == 2
        assert lower.get_ylim()[1] == 0.0
        assert pixels(figure_png(figure)).shape == (580, 1000, 3)

    def test_both_engines_use_the_same_axis_range_of_time(self):
        figure = equity_figure(fake_result(2_200))
        labels = [t.get_text() for t in figure.axes[1].get_xticklabels()]
        assert labels == ["2016", "2017", "2018", "2019", "2020", "2021"]


class TestNotebooks:
    """A figure as the last line of a cell is a picture, though pyplot, whose import registers that, is never used."""

    def test_figures_of_results_sweeps_and_studies_show_themselves(self):
        pytest.importorskip("optuna")
        bars = synthetic(200, seed=3)
        sweep = Sweep("ma_crossover", {"fast": [3, 5], "slow": [20, 30]}, bars).run(progress=False)
        study = Study("ma_crossover", bars, sampler="random", seed=1)
        study.run(n_trials=12, progress=False)
        figures = [equity_figure(fake_result(50, 3)), sweep.heatmap(), *study.figures().values()]
        assert len(figures) >= 4
        for figure in figures:
            assert figure._repr_png_().startswith(b"\x89PNG")

    def test_what_is_drawn_on_it_afterwards_is_shown_and_it_can_be_pickled(self):
        figure = equity_figure(fake_result(50, 3))
        plain = figure._repr_png_()
        figure.axes[0].set_facecolor("red")
        assert figure._repr_png_() != plain
        assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")
