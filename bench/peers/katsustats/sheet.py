"""A tear sheet of katsustats: 5,000 days beside a benchmark."""

import datetime as dt
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import katsustats as ks
import polars as pl
from measured import measure, returns

FIRST = dt.date(2005, 1, 3)
DAYS = pl.date_range(FIRST, FIRST + dt.timedelta(days=4_999), eager=True)
OWN, OTHER = (pl.DataFrame({"date": DAYS, "returns": returns(5_000, 8)[:, k]}) for k in (7, 0))
TARGET = Path(tempfile.mkdtemp()) / "sheet.html"


def write():
    """Size of the file."""
    ks.reports.html(OWN, benchmark=OTHER, output=str(TARGET))
    return TARGET.stat().st_size


print(json.dumps(measure(write, write)))
