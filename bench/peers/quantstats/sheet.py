"""A tear sheet of quantstats: 5,000 days beside a benchmark."""

import json
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib.pyplot as plt
import pandas as pd
import quantstats as qs
from measured import measure, returns

warnings.filterwarnings("ignore")
plt.switch_backend("Agg")

DAYS = pd.bdate_range("2005-01-03", periods=5_000)
OWN, OTHER = (
    pd.Series(returns(5_000, 8)[:, k], index=DAYS, name=name) for k, name in ((7, "own"), (0, "other"))
)
TARGET = Path(tempfile.mkdtemp()) / "sheet.html"


def write():
    """Size of the file."""
    qs.reports.html(OWN, benchmark=OTHER, output=str(TARGET), title="x")
    return TARGET.stat().st_size


print(json.dumps(measure(write, write)))
