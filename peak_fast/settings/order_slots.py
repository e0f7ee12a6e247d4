"""From `OrderRules` to the flat vector that the order kernel reads; the only place that knows both sides."""

from __future__ import annotations

import functools
from typing import get_args

import numpy as np
import numpy.typing as npt

from peak_fast.settings.order_fields import RULE_FIELDS
from peak_fast.settings.order_rules import OrderRules, rule_types
from peak_kernels import order_slots as f


# A loop of runs has the same few rules: 14 us each otherwise.
@functools.lru_cache(maxsize=64)
def rule_vector(rules: OrderRules) -> npt.NDArray[np.float64]:
    """The kernel's flat vector (``R_...`` of `peak_kernels.order_slots`); read-only, because equal
    rules share it.
    """
    vector = np.zeros(f.N_RULE)
    hints = rule_types()
    for name, row in RULE_FIELDS.items():
        value = getattr(rules, name)
        if row.slot is None or value is None:
            continue
        vector[row.slot] = get_args(hints[name]).index(value) if isinstance(value, str) else float(value)
    vector[f.R_FINALIZE] = {"keep": 0.0, "second_pass": 1.0, "close": 2.0}[rules.finalize]
    vector[f.R_FEE_MINIMUM] = rules.least_fee
    vector[f.R_FEE_MAKER] = np.nan if rules.maker_rate is None else rules.maker_rate
    vector.flags.writeable = False
    return vector
