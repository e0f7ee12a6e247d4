"""A notebook that is executed by nbconvert shows pictures and tables, without a magic line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbconvert", reason="nbconvert is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

ROOT = Path(__file__).resolve().parent.parent
CELLS = (
    "from peak_fast import BacktestEngine, Study, Sweep, sample\nbars = sample('AAPL')",
    "result = BacktestEngine().run(bars, 'ma_crossover', {'fast': 20, 'slow': 50}, symbol='<i>AAPL</i>')\nresult",
    "result.plot()",
    "found = Sweep('ma_crossover', {'fast': range(5, 10), 'slow': range(20, 50, 10)}, bars).run()\nfound",
    "found.plot()",
    "found.plot('parallel')",
    "study = Study('ma_crossover', bars, objectives={'sharpe': 'maximize'}, seed=1)\nstudy.run(n_trials=8)",
    "study.plot()",
    "result.trades.head(3)",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    cells = [
        {
            "cell_type": "code",
            "id": f"c{k}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": code,
        }
        for k, code in enumerate(CELLS)
    ]
    meta = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}
    (folder / "first.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "first.ipynb"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return (folder / "first.html").read_text(encoding="utf-8")


def test_pictures_stand_in_the_page(page):
    assert len(re.findall(r'<img[^>]+src="data:image/png;base64,', page)) == 4
    assert "&lt;Figure size" not in page


def test_results_sweeps_and_studies_show_themselves(page):
    assert re.search(r'<svg[^>]*aria-label="Equity over time"', page)
    assert "Max drawdown" in page and "Sharpe" in page
    assert "15 configurations of fast, slow" in page
    assert "Study" in page and "objective_sharpe" in page
    assert "&lt;i&gt;AAPL&lt;/i&gt;" in page and "<i>AAPL</i>" not in page


def test_nothing_was_said_on_the_side(page):
    said = re.findall(r'data-mime-type="application/vnd.jupyter.stderr"[^>]*>(.*?)</div>', page, re.DOTALL)
    assert "".join(said).strip() == ""
