"""Portfolios walked forward: weights of the chosen rules in turn, held by one account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peak_fast.errors import ConfigError
from peak_fast.portfolio import TargetWeights, decided, setup_of, target_weights
from peak_fast.strategies import PanelBlock, complete_params
from peak_kernels.arrays import FloatArray


def weights_of(sweep: Any, params: Mapping[str, Any]) -> TargetWeights:
    """Weights of one configuration over all bars."""
    panel, rule = next(iter(sweep.data.values())), sweep.strategy
    values = complete_params(rule, params)
    if isinstance(rule, PanelBlock):
        return decided(panel, setup_of(panel, sweep.engine.settings), rule, values)
    return target_weights(panel, rule, values)


def in_force(targets: TargetWeights, bar: int) -> FloatArray:
    """Weights that hold at the close of a bar, what is decided there among them; 0 where none was given yet.

    NaN leaves an asset as it is, so the weight before counts.
    """
    known = targets.weights[: int(np.searchsorted(targets.rows, bar, side="right"))]
    if not len(known):
        return np.zeros(targets.weights.shape[1])
    last = np.where(np.isnan(known), -1, np.arange(len(known))[:, None]).max(axis=0)
    return np.where(last < 0, 0.0, known[last, np.arange(known.shape[1])])


def stitched_panel(
    sweep: Any, choices: Sequence[Mapping[str, Any] | None], tests: Sequence[tuple[int, int]]
) -> Any:
    """Result of the test windows joined; see `stitching.stitched`.

    Raises
    ------
    ConfigError
        Choices whose weights are traded in different bands.
    """
    panel = next(iter(sweep.data.values()))
    first = tests[0][0] - 1
    known: dict[str, TargetWeights] = {}
    rows: list[int] = []
    weights: list[FloatArray] = []
    before = None
    for number, (params, (start, stop)) in enumerate(zip(choices, tests, strict=True)):
        key = json.dumps(params, default=str)
        if params is not None and key not in known:
            known[key] = weights_of(sweep, params)
        own = known.get(key)
        # The same choice goes on as it is; another one takes over at once.
        if own is None or key != before:
            rows.append(start - 1)
            weights.append(np.zeros(len(panel.symbols)) if own is None else in_force(own, start - 1))
        if own is not None:
            begin = start - 1 if key == before else start
            inside = slice(*np.searchsorted(own.rows, (begin, stop - 1)).tolist())
            rows += own.rows[inside].tolist()
            weights += list(own.weights[inside])
        before = key
        if number + 1 < len(tests) and tests[number + 1][0] > stop:
            rows.append(stop - 1)
            weights.append(np.zeros(len(panel.symbols)))
            before = None
    table = np.array(weights).reshape(len(rows), len(panel.symbols))
    targets = TargetWeights(np.array(rows, np.int64) - first, table, band=_band(known.values()))
    name = f"{sweep.strategy.name}, walked forward"
    return sweep.engine.run(panel.slice(first, tests[-1][1]), _Named(targets, name))


def _band(targets: Any) -> float | None:
    """The band of all choices."""
    bands = {one.band for one in targets}
    if len(bands) > 1:
        raise ConfigError(
            f"walk forward: expected one band of weights that are traded; got {sorted(map(str, bands))} among the "
            "choices; walk forward once for each"
        )
    return next(iter(bands), None)


class _Named:
    """Given weights under a name."""

    schema: tuple[Any, ...] = ()
    constraints: tuple[Any, ...] = ()

    def __init__(self, targets: TargetWeights, name: str) -> None:
        self._targets, self.name = targets, name

    def weights(self, panel: Any, params: Mapping[str, Any]) -> TargetWeights:
        """The weights."""
        return self._targets

    def fingerprint(self) -> str:
        """Hash of the weights."""
        digest = hashlib.blake2b(self._targets.rows.tobytes(), digest_size=16)
        digest.update(self._targets.weights.tobytes())
        return digest.hexdigest()
