"""Hansen's test as arch computes it: 1,000 strategies, 1,000 samples, 5,000 returns; arch takes losses."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from arch.bootstrap import SPA
from measured import measure, returns

LOSSES = -returns(5_000, 1_000)


def test(strategies=1_000, samples=1_000):
    """The three p-values."""
    spa = SPA(np.zeros(len(LOSSES)), LOSSES[:, :strategies], block_size=10, reps=samples, seed=0)
    spa.compute()
    return dict(spa.pvalues)


print(json.dumps(measure(lambda: test(5, 5), test)))
