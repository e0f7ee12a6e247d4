"""CSCV of phacker, in C++: 10,000 configurations, 5,000 returns, 12,870 combinations."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from measured import measure, returns
from phacker.cscv import cscv

RETURNS = returns(5_000, 10_000)

print(
    json.dumps(measure(lambda: cscv(RETURNS[:, :20], S=4), lambda: round(float(cscv(RETURNS, S=16)[0]), 6)))
)
