"""The tear sheet in a browser, read back from the page: zoom, hover, sorting, dark, narrow, printed."""

import itertools
import os
import shutil

import numpy as np
import polars as pl
import pytest

from peak_fast import BacktestEngine, Costs, Stops, sample, synthetic

CHROMIUM = (
    os.environ.get("PEAK_FAST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def daily(tmp_path_factory):
    engine = BacktestEngine(costs=Costs.from_bps(fee_bps=10), stops=Stops(stop_loss=0.1))
    result = engine.run(sample("AAPL"), "ma_crossover", {"fast": 20, "slow": 50})
    return result, result.report(tmp_path_factory.mktemp("sheet") / "daily.html")


@pytest.fixture(scope="module")
def minutes(tmp_path_factory):
    result = BacktestEngine().run(
        synthetic(1_000_000, "1m", seed=3), "ma_crossover", {"fast": 20, "slow": 60}
    )
    return result, result.report(tmp_path_factory.mktemp("sheet") / "minutes.html")


def opened(browser, path, width=1200, **options):
    """The page when its script has finished, and what it said or asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=true]", timeout=60_000)
    return page, said


def drag(page, chart, start, stop):
    plot = page.locator(f"#chart-{chart} .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], box["y"] + 30, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("which", ["daily", "minutes"])
def test_a_range_that_is_dragged_moves_every_panel(browser, request, which):
    result, path = request.getfixturevalue(which)
    page, said = opened(browser, path)
    before = page.evaluate("sheet.charts()")
    assert [chart["id"] for chart in before] == [
        "chart-price",
        "chart-equity",
        "chart-drawdown",
        "chart-held",
    ]
    last = len(result.bars) - 1
    assert all(chart["x"] == [0, last] for chart in before)
    drag(page, "equity", 0.2, 0.6)
    after = page.evaluate("sheet.charts()")
    assert len({tuple(chart["x"]) for chart in after}) == 1
    assert after[0]["x"] == pytest.approx([0.2 * last, 0.6 * last], rel=0.02)
    assert after[2]["y"] != before[2]["y"]
    low, high = after[0]["x"]
    shown = page.inner_text("#range")
    assert f"{round(high - low + 1):,} bars" in shown
    page.locator("#chart-equity .u-over").dblclick()
    assert page.evaluate("sheet.range()") == [0, last]
    page.locator("#charts").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("sheet.range()") == pytest.approx([0.35 * last, 0.85 * last], rel=0.01)
    assert said == []
    page.close()


def test_below_the_finest_level_the_page_says_so_and_has_the_bars_of_trades(browser, minutes):
    result, path = minutes
    page, said = opened(browser, path)
    entry = int(result.trades["entry_bar"][100])
    page.evaluate(f"sheet.show({entry - 40}, {entry + 40})")
    page.wait_for_function("document.getElementById('level').textContent.includes('finest')")
    assert "every bar is here only within" in page.inner_text("#level")
    page.evaluate("sheet.show(0, 999999)")
    page.wait_for_function("document.getElementById('level').textContent.includes('largest of')")
    assert page.evaluate("sheet.charts()[0].points") < 5_000
    assert said == []
    page.close()


def test_hovering_tells_time_and_values(browser, daily):
    result, path = daily
    page, _ = opened(browser, path)
    plot = page.locator("#chart-equity .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 50)
    page.wait_for_function(
        "/\\d{4}-\\d\\d-\\d\\d/.test(document.querySelector('#chart-equity .u-legend').textContent)"
    )
    told = page.inner_text("#chart-equity .u-legend")
    bar = next(k for k, when in enumerate(result.bars.timestamp.dt.strftime("%Y-%m-%d")) if when in told)
    assert abs(bar - len(result.bars) // 2) < 20
    assert f"{result.equity[bar]:,.0f}"[:5] in told
    # The others follow.
    assert result.bars.timestamp.dt.strftime("%Y-%m-%d")[bar] in page.inner_text("#chart-price .u-legend")
    page.close()


def test_curves_that_begin_without_values_are_drawn(browser, tmp_path):
    """No Sharpe ratio while nothing is held for a window, no prices in the first bars, a gap inside a folded point."""
    prices = synthetic(3_000, seed=2).to_polars()
    late = prices.with_row_index().with_columns(
        pl.when((pl.col("index") < 40) | (pl.col("index") == 1_001))
        .then(None)
        .otherwise(pl.col(name))
        .alias(name)
        for name in ("open", "high", "low", "close")
    )
    result = BacktestEngine().run(late, "ma_crossover", {"fast": 20, "slow": 300})
    page, said = opened(browser, result.report(tmp_path / "late.html"))
    shown = {chart["id"]: chart["y"] for chart in page.evaluate("[...sheet.charts(), ...sheet.others()]")}
    page.close()
    assert not said and {"chart-price", "chart-equity", "chart-rolling-sharpe"} < set(shown)
    assert all(None not in ends and ends[0] < ends[1] for ends in shown.values()), shown
    known = result.bars.close[40:]
    assert shown["chart-price"][0] <= np.nanmin(known) < np.nanmax(known) <= shown["chart-price"][1]


def test_trades_are_sorted_and_searched(browser, daily):
    result, path = daily
    page, _ = opened(browser, path)

    def profits():
        cells = page.locator("#trade-table tbody tr td:nth-child(8)").all_inner_texts()
        return [float(cell.replace(",", "")) for cell in cells]

    assert len(profits()) == result.trades.height
    page.get_by_role("button", name="Net profit").click()
    assert profits() == sorted(profits())
    page.get_by_role("button", name="Net profit").click()
    assert profits() == sorted(profits(), reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text() == "Net profit"
    page.fill("#find", "stop_loss 2008")
    wanted = result.trades.filter(result.trades["exit_reason"] == "stop_loss")
    at = wanted["entry_time"].dt.strftime("%Y-%m-%d") + wanted["exit_time"].dt.strftime("%Y-%m-%d")
    assert len(profits()) == int(at.str.contains("2008").sum()) > 0
    page.fill("#find", "nothing like this")
    assert page.inner_text("#found") == "none"
    page.close()


def test_pages_of_a_long_list(browser, minutes):
    result, path = minutes
    page, _ = opened(browser, path)
    assert page.locator("#trade-table tbody tr").count() == 100
    assert page.inner_text("#found") == f"1 to 100 of {result.trades.height:,}"
    page.get_by_role("button", name="Next").click()
    assert page.inner_text("#found") == f"101 to 200 of {result.trades.height:,}"
    page.close()


def luminance(text):
    parts = [int(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_contrast(browser, daily, scheme):
    page, said = opened(browser, daily[1], color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    paper = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (paper < 0.1) == (scheme == "dark")
    for place in ("h1", "td", "dt", ".muted", "#range", "thead th"):
        ink = luminance(page.evaluate(f"getComputedStyle(document.querySelector('{place}')).color"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, place
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != scheme
    assert said == []
    page.close()


def test_a_telephone_does_not_scroll_sideways(browser, daily):
    page, said = opened(browser, daily[1], width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(chart["width"] <= 390 for chart in page.evaluate("sheet.charts()"))
    assert said == []
    page.close()


def test_printed_it_has_all_sections(browser, daily, tmp_path):
    page, said = opened(browser, daily[1])
    page.pdf(path=tmp_path / "x.pdf", format="A4")
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
    page.emulate_media(media="print")
    boxes = page.evaluate(
        "[...document.querySelectorAll('section')].map((one) => one.getBoundingClientRect())"
        ".map((box) => [box.top, box.bottom])"
    )
    assert all(below[0] >= above[1] - 1 for above, below in itertools.pairwise(boxes))
    assert page.evaluate("getComputedStyle(document.querySelector('.controls')).display") == "none"
    assert said == []
    page.close()


def test_texts_from_outside_are_texts(browser, tmp_path):
    evil = "<script>document.title='gone'</script>"
    result = BacktestEngine().run(
        sample("AAPL"),
        "ma_crossover",
        {"fast": 20, "slow": 50},
        symbol=f'{evil}"><img src=x onerror=alert(1)>',
    )
    page, said = opened(browser, result.report(tmp_path / "x.html", title=evil))
    assert page.inner_text("h1") == evil
    assert page.title() == evil
    assert page.locator("img").count() == 0
    assert said == []
    page.close()
