"""Take the pictures of docs/images/: the MLflow UI showing runs of peak_fast, in headless Chromium.

Needs Chromium and the package ``playwright`` (its own browser download is not needed)::

    pip install playwright
    python scripts/screenshots.py --chromium /usr/bin/chromium

The script makes a SQLite store in a temporary folder, records a small study of packaged prices with an
``MLflowTracker``, starts ``mlflow server`` on a free port, photographs the pages and stops the server.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
EXPERIMENT = "moving averages"
IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SHOWN = (
    "total_return",
    "sharpe",
    "max_drawdown",
    "total_trades",
    "strategy.params.fast",
    "strategy.params.slow",
)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def record_runs(uri: str) -> None:
    """Twelve backtests of three stocks with all artifacts."""
    from peak_fast import BacktestEngine, Costs, MLflowTracker, sample

    tracker = MLflowTracker(uri, experiment_name=EXPERIMENT)
    engine = BacktestEngine(costs=Costs.from_bps(10, slippage_bps=5), tracker=tracker)
    engine.run(sample("AAPL"), "ma_crossover")  # compiles; without an active run nothing is logged
    for symbol in ("AAPL", "IBM", "MSFT"):
        bars = sample(symbol)
        for fast, slow in ((10, 50), (20, 50), (20, 100), (50, 200)):
            with tracker.start_run(f"{symbol} {fast}/{slow}", tags={"symbol": symbol}):
                engine.run(bars, "ma_crossover", {"fast": fast, "slow": slow})
    tracker.close()


@contextmanager
def server(folder: Path, uri: str) -> Iterator[str]:
    """``mlflow server`` on a free port, stopped at the end."""
    port = free_port()
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--default-artifact-root",
        str(folder / "artifacts"), "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/health")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_for(url: str, seconds: float = 60.0) -> None:
    """Return when ``url`` answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"{url} did not answer within {seconds:.0f} s")


def open_runs(page: Any, address: str, experiment_id: str) -> None:
    """The table of runs, in the view for model training, with our columns."""
    page.goto(f"{address}/#/experiments/{experiment_id}/runs?workflowType=machine_learning")
    page.get_by_role("button", name="Columns").wait_for()
    page.wait_for_timeout(1_500)
    assistant = page.get_by_role("button", name="Close")
    if assistant.count():
        assistant.first.click()
    page.get_by_role("button", name="Columns").click()
    search = page.get_by_placeholder("Search columns")
    for name in (*SHOWN, "Dataset", "Source", "Models"):
        search.fill(name)
        page.wait_for_timeout(300)
        page.get_by_role("dialog").get_by_text(name, exact=True).first.click()
    page.keyboard.press("Escape")
    page.mouse.click(900, 820)
    page.wait_for_timeout(800)


def shrink(path: Path) -> None:
    """Store a screenshot with 256 colours, which halves the file."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def quote(values: list[str]) -> str:
    """A list as the UI's address bar writes it."""
    return urllib.parse.quote(json.dumps(values))


def take(page: Any, address: str, experiment_id: str, run_ids: list[str], folder: Path) -> list[Path]:
    """Photograph each page; returns the files."""
    taken: list[Path] = []

    def shoot(name: str) -> None:
        path = folder / f"{name}.png"
        page.screenshot(path=str(path))
        shrink(path)
        taken.append(path)

    open_runs(page, address, experiment_id)
    shoot("mlflow_runs")
    runs = f"{address}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    page.goto(f"{runs}&compareRunsMode=CHART")
    page.reload()
    page.get_by_placeholder("Search metric charts").fill(
        "^(sharpe|total_return|max_drawdown|win_rate|exposure|sqn)$"
    )
    page.wait_for_timeout(4_000)
    shoot("mlflow_charts")
    page.goto(f"{address}/#/compare-runs?runs={quote(run_ids)}&experiments={quote([experiment_id])}")
    page.get_by_text("Parallel Coordinates Plot").wait_for()
    page.wait_for_timeout(3_000)
    shoot("mlflow_compare")
    page.goto(runs)
    page.reload()
    page.get_by_role("link", name="AAPL 20/50").first.click()
    page.get_by_text("Metrics (", exact=False).first.wait_for()
    page.wait_for_timeout(1_500)
    shoot("mlflow_run_overview")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("plots", exact=True).first.click()
    page.get_by_text("equity_curve.png").first.click()
    page.wait_for_timeout(2_500)
    shoot("mlflow_run_artifacts")
    page.get_by_text("reports", exact=True).first.click()
    page.get_by_text("backtest_report.txt").first.click()
    page.wait_for_timeout(2_000)
    shoot("mlflow_run_report")
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--output", type=Path, default=IMAGES)
    options = parser.parse_args()
    if not options.chromium:
        parser.error("no Chromium found: install it, or name it with --chromium")
    from mlflow import MlflowClient
    from playwright.sync_api import sync_playwright

    output = options.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "research"
        folder.mkdir()
        # MLflow keeps the artifacts of a SQLite store below the working folder.
        os.chdir(folder)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        record_runs(uri)
        client = MlflowClient(uri)
        experiment_id = client.get_experiment_by_name(EXPERIMENT).experiment_id
        run_ids = [run.info.run_id for run in client.search_runs([experiment_id])]
        with server(folder, uri) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1500, "height": 860})
            for path in take(page, address, experiment_id, run_ids, output):
                print(f"{path.name}: {path.stat().st_size // 1024} KB")
            browser.close()
        os.chdir(output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
