"""Weights of one set of parameters after another: scores and orderings that several share are made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from peak_fast.data import Panel, groups_of
from peak_fast.errors import StrategyError
from peak_fast.portfolio.rules.references import resolved
from peak_fast.portfolio.rules.scores import Score
from peak_fast.portfolio.setup import spans_of
from peak_fast.portfolio.targets import TargetWeights
from peak_kernels import entries as kernels
from peak_kernels.arrays import FloatArray, IntArray

_NO_FLOATS = np.empty((0, 0))
_NO_INTS = np.empty((0, 0), dtype=np.int64)
# Bytes of scores and orderings that are kept; the ones asked for last stay.
_ROOM = 64_000_000

Pair = tuple[IntArray, IntArray]


class _Kept:
    """Arrays by what they are made from, within a budget of memory."""

    def __init__(self) -> None:
        self._items: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
            return found[0]
        value = make()
        arrays = value if isinstance(value, tuple) else (value,)
        size = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
        self._items[key] = value, size
        self._size += size
        while self._size > _ROOM and len(self._items) > 1:
            self._size -= self._items.popitem(last=False)[1][1]
        return value


class Maker:
    """Makes the weights of a rule on a panel.

    Parameters
    ----------
    rule, panel
        A `Rank` (whose file imports this one), and on what it decides.
    columns
        Values of parameters that will be asked for, by name.
    """

    def __init__(self, rule: Any, panel: Panel, columns: Mapping[str, Any] | None = None) -> None:
        self._rule, self._panel = rule, panel
        self._kept = _Kept()
        self._groups, self._alphabet, self._bounds = _grouped(rule, panel)
        self._sizes = np.diff(self._bounds)
        self._largest = int(self._sizes.max())
        self._identity = rule.identity()
        self._announced: Any = None
        self.announce(columns or {})

    def announce(self, columns: Mapping[str, Any]) -> None:
        """Say the values of parameters that will be asked for, so that orderings are wide enough at once."""
        if columns is not self._announced:
            self._announced = columns
            self._wide = {
                side: self._widest(getattr(self._rule, side), columns) for side in ("top", "bottom")
            }
            # Scores that make one ordering are let go, so that the next ones are written where they were.
            named = isinstance(self._rule.top, str) and not self._wide["top"]
            self._needed_again = named or self._rule.bottom != 0

    def _widest(self, wanted: Any, columns: Mapping[str, Any]) -> int:
        """Ranks that the widest of the announced parameters needs; 0: none is announced."""
        buffer = self._rule.rebalance.buffer
        if not isinstance(wanted, str) and not isinstance(buffer, str):
            return 0
        tops = columns.get(wanted, ()) if isinstance(wanted, str) else (wanted,)
        buffers = columns.get(buffer, ()) if isinstance(buffer, str) else (buffer,)
        if not len(tops) or not len(buffers):
            return 0
        return max(self._width(top) for top in tops) + int(max(buffers))

    def _width(self, wanted: Any) -> int:
        """Ranks of a group that a number of names, or a share of those ranked, can need."""
        largest = self._largest
        if wanted is None:
            return largest
        return min(int(wanted), largest) if wanted >= 1 else int(wanted * largest) + 1 if wanted > 0 else 0

    def weights(self, params: Mapping[str, Any], out: FloatArray | None = None) -> TargetWeights:
        """Weights for all of a rule's parameters.

        Parameters
        ----------
        params
            Values of all parameters.
        out
            Memory for the weights, float64[rows, asset], which is given back where it has room for all deciding bars.
        """
        rule, notes = self._rule, []  # type: ignore[var-annotated]
        calendar = rule.rebalance
        rows = calendar.rows(self._panel, params, notes)
        place = (
            rows.tobytes() if not isinstance(calendar.when, str | int) else resolved_when(calendar, params)
        )
        buffer = int(resolved(calendar.buffer, params))
        terms = self._terms(params, buffer)
        weighting = rule.weighting
        ordered = int(weighting != "equal" or buffer > 0 or terms[5] > 0.0 or terms[6] > 0.0)
        score_key = (place, rule.score.key(params))
        sides, widths = self._sides(score_key, rows, params, (terms, buffer, ordered))
        values = _NO_FLOATS
        if weighting == "score":
            values = self._scores(score_key, rows, params)
        elif isinstance(weighting, Score):
            key = ("weighting", place, weighting.key(params))
            values = self._kept.get(key, lambda: weighting.at(self._panel, rows, params))
        if out is None or out.shape[0] < rows.size:
            out = np.empty((rows.size, self._panel.n_assets))
        made, numbers = out[: rows.size], np.empty(rows.size, dtype=np.int64)
        best, counts = (sides[0][0], sides[1][0]), (sides[0][1], sides[1][1])
        shared = int(weighting == "score")
        kernels.weigh_ranks(best, counts, widths, values, shared, terms, self._groups, numbers, made)
        first = int((numbers > 0).argmax()) if rows.size else 0
        if not rows.size or numbers[first] == 0:
            first = rows.size
            notes.append("no asset is ever ranked: at no deciding bar does one have a price and a score")
        band = float(resolved(calendar.band, params))
        return TargetWeights(
            rows[first:], made[first:], tuple(notes), self._identity, band if calendar.band else None,
            abs(float(terms[3])) + (abs(float(terms[4])) if terms[1] > 0.0 else 0.0),
        )  # fmt: skip

    def _terms(self, params: Mapping[str, Any], buffer: int) -> FloatArray:
        """Numbers of weighing, as `peak_kernels.portfolio.ranking` names them."""
        rule, every = self._rule, float(self._largest)
        found = [
            resolved(getattr(rule, name), params)
            for name in ("top", "bottom", "long", "short", "cap", "group_cap")
        ]
        top, bottom = (every if value is None else float(value) for value in found[:2])
        cap, group_cap = (0.0 if value is None else float(value) for value in found[4:])
        return np.array(
            [top, bottom, buffer, found[2], found[3], cap, group_cap, rule.spread == "top"], dtype=np.float64
        )

    def _sides(
        self, score_key: Any, rows: IntArray, params: Mapping[str, Any], asked: tuple[FloatArray, int, int]
    ) -> tuple[tuple[Pair, Pair], tuple[int, int]]:
        """Best and worst of each row with how many are ranked, and how many of a group there is room for."""
        terms, buffer, ordered = asked
        found: list[Pair] = []
        widths: list[int] = []
        for sign, side, wanted in ((1, "top", terms[0]), (-1, "bottom", terms[1])):
            width = self._width(wanted)
            if width == 0:
                found.append(
                    (
                        np.empty((rows.size, 0), dtype=np.int64),
                        np.zeros((rows.size, self._sizes.size), np.int64),
                    )
                )
                widths.append(0)
                continue
            # Who is chosen depends on the order where fewer are than there is room for.
            sort = int(ordered or wanted < 1.0 or self._wide[side] > 0)
            width = max(width + buffer, self._wide[side])
            key = ("best", sign, width, sort, score_key)
            make = partial(self._best, score_key, rows, params, sign, width, sort)
            found.append(self._kept.get(key, make))
            widths.append(width)
        return (found[0], found[1]), (widths[0], widths[1])

    def _best(
        self, score_key: Any, rows: IntArray, params: Mapping[str, Any], sign: int, width: int, ordered: int
    ) -> Pair:
        again = self._rule.weighting == "score" or self._needed_again
        scores = self._scores(score_key, rows, params) if again else self._screened(rows, params)
        groups = self._sizes.size
        best = np.empty((rows.size, groups * width), dtype=np.int64)
        counts = np.empty((rows.size, groups), dtype=np.int64)
        kernels.best_ranks(scores, self._alphabet, self._bounds, sign, width, ordered, best, counts)
        return best, counts

    def _scores(self, key: Any, rows: IntArray, params: Mapping[str, Any]) -> FloatArray:
        """Scores of those that can be ranked, NaN for others."""
        made: FloatArray = self._kept.get(("scores", key), lambda: self._screened(rows, params))
        return made

    def _screened(self, rows: IntArray, params: Mapping[str, Any]) -> FloatArray:
        panel = self._panel
        scores: FloatArray = self._rule.score.at(panel, rows, params)
        members = _NO_INTS
        if panel.members is not None:
            members = np.ascontiguousarray(panel.members[:, rows].T, dtype=np.int64)
        kernels.screen_scores(panel.close, spans_of(panel), members, rows, int(self._rule.need_price), scores)
        return scores


def resolved_when(calendar: Any, params: Mapping[str, Any]) -> Any:
    """The word or number that a calendar stands for, with its first bar."""
    when = calendar.when
    if isinstance(when, str) and when in params:
        when = params[when]
    return when, calendar.start


def _grouped(rule: Any, panel: Panel) -> tuple[IntArray, IntArray, IntArray]:
    """Group of each asset, and the assets group by group in alphabetical order with where each group begins."""
    groups = panel.groups
    if rule.within is None and rule.group_cap is None:
        found = panel.memo.get("alphabet")
        if found is None:
            found = panel.memo["alphabet"] = _by_group(panel, groups, split=False)
        kept: tuple[IntArray, IntArray, IntArray] = found
        return kept
    if isinstance(rule.within, str) and groups is None:
        raise StrategyError(
            "Rank(within='groups'): the panel has no groups; expected panel.with_groups({'AAPL': 'technology', ...})"
        )
    if rule.within is not None and not isinstance(rule.within, str):
        groups = groups_of(rule.within, panel.symbols, [])[0]
    if rule.group_cap is not None and groups is None:
        raise StrategyError("Rank(group_cap=...): the panel has no groups; expected panel.with_groups({...})")
    return _by_group(panel, groups, split=rule.within is not None)


def _by_group(panel: Panel, groups: IntArray | None, *, split: bool) -> tuple[IntArray, IntArray, IntArray]:
    group_of = np.full(panel.n_assets, -1, dtype=np.int64) if groups is None else np.ascontiguousarray(groups)
    alphabet = np.array(sorted(range(panel.n_assets), key=panel.symbols.__getitem__), dtype=np.int64)
    if not split:
        return group_of, alphabet, np.array([0, alphabet.size], dtype=np.int64)
    alphabet = alphabet[group_of[alphabet] >= 0]
    alphabet = alphabet[np.argsort(group_of[alphabet], kind="stable")]
    bounds = np.flatnonzero(np.diff(group_of[alphabet])) + 1
    return group_of, alphabet, np.concatenate([[0], bounds, [alphabet.size]]).astype(np.int64)
