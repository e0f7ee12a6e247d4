"""Draw the pictures of README.md from the packaged prices: ``python scripts/make_pictures.py``.

Needs the extras ``plot`` and ``dev``, and Chromium for the tear sheet. What the pictures show is computed by the
library when the script runs; nothing is drawn by hand.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from peak_fast import BacktestEngine, BacktestResult, Costs, Stops, Sweep, sample
from peak_fast.files import write_atomically
from peak_fast.report import equity_figure, figure_png

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SYMBOL = "AAPL"
COSTS = Costs.from_bps(fee_bps=10, slippage_bps=5)
GRID = {"fast": range(2, 102), "slow": range(3, 203)}
SIZE = (1000, 560)


def equity_picture() -> bytes:
    """One backtest: equity and drawdown next to buy-and-hold, with its trades, as PNG."""
    result: BacktestResult = BacktestEngine(costs=COSTS).run(
        sample(SYMBOL), "ma_crossover", {"fast": 20, "slow": 50}
    )
    return figure_png(equity_figure(result, size=SIZE))


def heatmap_picture() -> bytes:
    """One sweep: the Sharpe ratio over both windows, as PNG of the same width."""
    found = Sweep("ma_crossover", GRID, sample(SYMBOL), costs=COSTS).run(progress=False)
    figure = found.heatmap("fast", "slow", "sharpe")
    figure.set_size_inches(SIZE[0] / figure.dpi, SIZE[1] / figure.dpi)
    return figure_png(figure)


def sheet_picture() -> bytes:
    """The top of the tear sheet of that backtest in Chromium, light and dark side by side, as PNG."""
    import tempfile

    from PIL import Image
    from playwright.sync_api import sync_playwright

    result = BacktestEngine(costs=COSTS, stops=Stops(stop_loss=0.1)).run(
        sample(SYMBOL), "ma_crossover", {"fast": 20, "slow": 50}
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        page_file = result.report(Path(folder) / "sheet.html")
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        views = []
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1000, "height": 1500}, color_scheme=scheme)
            page.goto(page_file.as_uri())
            page.wait_for_selector("html[data-ready=true]")
            views.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        browser.close()
    width, height = views[0].size
    both = Image.new("RGB", (2 * width, height))
    for place, view in enumerate(views):
        both.paste(view, (place * width, 0))
    out = io.BytesIO()
    small = both.resize((1000, height * 1000 // (2 * width)), Image.Resampling.LANCZOS)
    small.quantize(256, method=Image.Quantize.FASTOCTREE).save(out, "PNG", optimize=True)
    return out.getvalue()


PICTURES = {
    "equity_curve.png": equity_picture,
    "heatmap.png": heatmap_picture,
    "tear_sheet.png": sheet_picture,
}


def main() -> None:
    """Write every picture into the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder to write to")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        if name == "tear_sheet.png" and shutil.which("chromium") is None:
            print(f"{name} is left out: there is no Chromium here")
            continue
        content = draw()
        write_atomically(folder / name, content)
        print(f"{folder / name}: {len(content) // 1024} KB")


if __name__ == "__main__":
    main()
