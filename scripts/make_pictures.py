"""Draw the pictures of README.md from the packaged prices: ``python scripts/make_pictures.py``.

Needs the extra ``plot``. What the pictures show is computed by the library when the script runs; nothing
is drawn by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from peak_fast import BacktestEngine, BacktestResult, Costs, Sweep, sample
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


PICTURES = {"equity_curve.png": equity_picture, "heatmap.png": heatmap_picture}


def main() -> None:
    """Write every picture into the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder to write to")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        content = draw()
        write_atomically(folder / name, content)
        print(f"{folder / name}: {len(content) // 1024} KB")


if __name__ == "__main__":
    main()
