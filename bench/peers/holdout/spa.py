"""Hansen's test of holdout-backtest: 1,000 strategies, 1,000 samples, 5,000 returns."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from holdout.spa import superior_predictive_ability
from measured import measure, returns

RETURNS = returns(5_000, 1_000)


def test(strategies=1_000, samples=1_000):
    """What the test found."""
    return str(
        superior_predictive_ability(RETURNS[:, :strategies], n_bootstrap=samples, block_length=10.0, seed=0)
    )


print(json.dumps(measure(lambda: test(5, 100), test)))
