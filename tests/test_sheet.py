"""The tear sheet as text: the same figures as the statistics, everything escaped, small, no address in it."""

import base64
import html
import itertools
import json
import re
import zlib
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import peak_fast.report.sheet
from peak_fast import BacktestEngine, Costs, Stops, metrics, sample, synthetic
from peak_fast.errors import ConfigError, StoreError
from peak_fast.metrics import CATALOG
from peak_fast.report import payload_of, tear_sheet
from tests.report_fakes import fake_result

ASSETS = Path(peak_fast.report.sheet.__file__).parent / "assets"


class Tables(HTMLParser):
    """Rows of all tables by the tables' labels, and the headings."""

    def __init__(self):
        super().__init__()
        self.tables, self.headings, self._table, self._cell, self._heading = {}, [], None, None, None

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self._table = self.tables.setdefault(dict(attributes).get("aria-label", ""), [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in ("td", "th"):
            self._cell = ""
        elif tag in ("h1", "h2", "h3"):
            self._heading = ""

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._table:
            self._table[-1].append(self._cell)
            self._cell = None
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((tag, self._heading))
            self._heading = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data
        if self._heading is not None:
            self._heading += data


def read(page):
    reader = Tables()
    reader.feed(page)
    return reader


def unpacked(page):
    """The columns of numbers in a page, undone without the code that made them."""
    held = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1)
    )
    raw = np.frombuffer(zlib.decompress(base64.b64decode(held["bytes"])), np.uint8)
    whole, found, at = {}, {}, 0
    for name, count, step, near in held["columns"]:
        planes = raw[at : at + 4 * count].reshape(4, count).astype(np.uint32)
        differences = (planes * np.array([[1], [256], [65536], [16777216]], np.uint32)).sum(
            axis=0, dtype=np.uint32
        )
        numbers = np.cumsum(differences, dtype=np.uint32).view(np.int32)
        whole[name] = numbers + whole[near] if near else numbers
        found[name] = np.where(whole[name] == -(2**31), np.nan, whole[name] * step)
        at += 4 * count
    return found


@pytest.fixture(scope="module")
def result():
    engine = BacktestEngine(costs=Costs.from_bps(fee_bps=10, slippage_bps=5), stops=Stops(stop_loss=0.1))
    return engine.run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})


@pytest.fixture(scope="module")
def page(result):
    return tear_sheet(result)


def number_of(text):
    return float(text.replace(",", "").replace("%", ""))


def test_key_figures_are_those_of_stats(result, page):
    rows = {row[0]: row[1:] for row in read(page).tables["Key figures"]}
    for name in ("total_return", "cagr", "volatility", "max_drawdown"):
        assert number_of(rows[CATALOG[name].label][0]) == pytest.approx(100 * result.stats[name], abs=0.005)
    for name in ("sharpe", "sortino", "calmar"):
        assert number_of(rows[CATALOG[name].label][0]) == pytest.approx(result.stats[name], abs=0.0005)
    held = metrics.returns_from_equity(result.bars.close)
    sharpe = metrics.sharpe(np.concatenate(([0.0], held)), 252.0)
    assert number_of(rows["Sharpe ratio"][1]) == pytest.approx(sharpe, abs=0.0005)
    assert number_of(rows["Total return"][1]) == pytest.approx(
        100 * result.stats["benchmark_return"], abs=0.005
    )


def test_all_statistics_stand_there_unrounded(result, page):
    rows = dict(read(page).tables["stats"])
    for name, value in result.stats.items():
        assert rows[name] == (repr(value) if isinstance(value, float) else str(value))


def test_months_and_drawdowns_are_those_of_the_result(result, page):
    tables = read(page).tables
    table = result.monthly_returns()
    rows = {row[0]: row for row in tables["Returns by month"][1:]}
    for of_year in table.rows():
        shown = rows[str(of_year[0])]
        assert [number_of(cell) for cell in shown[1:13] if cell] == pytest.approx(
            [100 * value for value in of_year[1:13] if value is not None], abs=0.051
        )
        assert number_of(shown[13]) == pytest.approx(100 * of_year[13], abs=0.051)
    worst = tables["The deepest drawdowns"][1]
    assert number_of(worst[1]) == pytest.approx(100 * result.stats["max_drawdown"], abs=0.005)
    assert worst[3] == str(result.drawdowns(1)["valley_time"][0])[:10]
    assert len(tables["The deepest drawdowns"]) == 11


def test_curves_and_trades_in_the_page_are_the_results(result, page):
    assert 'id="chart-excursion"' in page
    held = unpacked(page)
    assert held["equity"] == pytest.approx(result.equity, rel=1e-5)
    assert held["price"] == pytest.approx(result.bars.close, rel=1e-5)
    assert held["high"] == pytest.approx(result.bars.high, rel=1e-5)
    assert held["drawdown"] == pytest.approx(result.drawdown["drawdown"].to_numpy(), abs=1e-6)
    assert held["trade_net_pnl"] == pytest.approx(result.trades["net_pnl"].to_numpy(), abs=0.1)
    assert held["trade_entry_bar"].tolist() == result.trades["entry_bar"].to_list()
    assert held["time"].tolist() == (result.bars.time_us // 1_000_000).tolist()


def test_a_long_page_holds_lowest_and_highest_values_and_bars_around_trades():
    bars = synthetic(200_000, "1m", seed=4)
    result = BacktestEngine().run(bars, "ma_crossover", {"fast": 300, "slow": 3_000})
    page = tear_sheet(result)
    held, width = unpacked(page), -(-200_000 // 32_768)
    starts = np.arange(0, 200_000, width)
    assert held["price_low"] == pytest.approx(np.minimum.reduceat(bars.low, starts), rel=1e-5)
    assert held["price_high"] == pytest.approx(np.maximum.reduceat(bars.high, starts), rel=1e-5)
    assert held["equity_low"] == pytest.approx(np.minimum.reduceat(result.equity, starts), rel=1e-5)
    entries = set(result.trades["entry_bar"]) | set(result.trades["exit_bar"])
    assert entries <= set(held["detail_bar"].astype(int))
    at = held["detail_bar"].astype(int)
    assert held["detail_close"] == pytest.approx(bars.close[at], rel=1e-5)
    assert held["detail_low"] == pytest.approx(bars.low[at], rel=1e-5)
    assert f'"width": {width}' in page
    assert len(page) < 1_500_000


def test_nothing_from_outside_becomes_a_tag(page):
    evil = '<script>alert("x")</script>'
    frame = sample("AAPL").to_polars()
    engine = BacktestEngine()

    def strategy(df, params):
        return pl.Series([1] * df.height)

    strategy.__name__ = "plain"
    result = engine.run(frame, strategy, {"a": evil, "<b>": 1}, symbol=evil)
    assert evil in result.symbol
    found = tear_sheet(result, title=f"{evil} & co")
    assert found.count("<script") == page.count("<script")
    assert "<b>" not in found
    assert html.escape(evil) in found
    assert read(found).headings[0] == ("h1", f"{evil} & co")


def test_no_address_and_no_request(page):
    without = page.replace("https://github.com/leeoniya/uPlot", "")
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?://", without.replace("http://www.w3.org", ""))
    assert "default-src 'none'" in page


def test_the_library_in_it_is_the_published_one():
    for line in (ASSETS / "checksums.txt").read_text().splitlines():
        digest, name = line.split()
        assert sha256((ASSETS / name).read_bytes()).hexdigest() == digest


def test_headings_go_down_one_by_one_and_charts_have_words(page):
    levels = [int(tag[1]) for tag, _ in read(page).headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.count('role="img"') == page.count('role="img" aria-label="')


def test_a_benchmark_of_ones_own(result):
    bars = sample("MSFT")
    rows = {row[0]: row for row in read(tear_sheet(result, benchmark=bars)).tables["Key figures"]}
    assert rows[""][2] == "MSFT"
    beside = read(tear_sheet(result, benchmark=bars)).tables["Beside the benchmark"]
    assert beside[0][0].startswith("Beside MSFT, by ")
    assert (
        read(tear_sheet(result)).tables["Beside the benchmark"][0][0].startswith("Beside buy and hold, by ")
    )
    close = bars.close
    assert number_of(rows["Total return"][2]) == pytest.approx(100 * (close[-1] / close[0] - 1), abs=0.005)
    without = read(tear_sheet(result, benchmark=False)).tables
    assert len(without["Key figures"][0]) == 2 and "Beside the benchmark" not in without


@pytest.mark.parametrize("wrong", [[1.0], np.zeros(3270), "SPY"])
def test_a_benchmark_that_does_not_fit_is_one_error(result, wrong):
    with pytest.raises(ConfigError, match="benchmark"):
        tear_sheet(result, benchmark=wrong)


def test_a_folder_that_is_not_there_is_to_be_made(result, tmp_path):
    with pytest.raises(StoreError, match=r"no folder .*nowhere; make it first"):
        result.report(tmp_path / "nowhere" / "x.html")
    assert not list(tmp_path.iterdir())


def test_of_a_payload_and_of_little():
    assert "Key figures" in tear_sheet(payload_of(fake_result(300, 20)))
    assert "No bars" in tear_sheet({"equity": []})
    assert "No trade was made" in tear_sheet({"equity": [1.0, 2.0, 1.5]})


def test_of_a_portfolio():
    panel = sample("panel")
    weights = pl.DataFrame({"timestamp": [panel.timestamp[10]], **{name: [0.2] for name in panel.symbols}})
    result = BacktestEngine().run(panel, weights)
    tables = read(tear_sheet(result)).tables
    shown = {row[0] for row in tables["Contributions"][1:]}
    assert shown == set(panel.symbols)
    page = tear_sheet(result)
    assert "chart-duration" in page and 'id="chart-excursion"' not in page  # no trade has an excursion
    held = unpacked(page)
    assert held["held_net"] == pytest.approx(result.exposure["net"].to_numpy(), abs=1e-5)


def test_refused_orders_and_bounds_are_told():
    engine = BacktestEngine(stops=Stops(stop_loss=0.005, take_profit=0.005))
    result = engine.run(sample("AAPL"), "ma_crossover", {"fast": 5, "slow": 20})
    page = tear_sheet(result)
    bounds = result.ambiguity
    assert bounds.bars > 0
    assert f"{bounds.worst:,.2f}" in page and f"{bounds.best:,.2f}" in page


def test_tags_are_balanced(page):
    class Counter(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("img", "meta", "input"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    counter = Counter()
    counter.feed(page)
    assert counter.open == []
