"""What CSCV found: the probability of overfitting, and what selection was worth out of sample."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from peak_fast.statistics.blocks import BlockSums, mean_sharpes_of, subset_sums
from peak_kernels.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl


class Degradation(NamedTuple):
    """Line through the Sharpe ratios of the winners: ``out of sample = intercept + slope * in sample``."""

    slope: float
    intercept: float
    r_squared: float


class Dominance(NamedTuple):
    """Whether choosing the best beats taking any: orders of stochastic dominance of Sharpe ratios out of sample.

    Attributes
    ----------
    first
        At every level the winner is at least as likely to be above it as the mean of all, at some level likelier.
    second
        The same of the sums of these probabilities up to each level, which every cautious person prefers.
    """

    first: bool
    second: bool


class Ranks(NamedTuple):
    """Of each combination: winner, how many are below it out of sample, how many equal (itself, too), how many flat."""

    winners: IntArray
    lower: IntArray
    equal: IntArray
    flat: IntArray


class CSCV:
    """Result of `cscv`; arrays have one element a combination, in the order of `itertools.combinations`.

    Sharpe ratios are per bar, with ``ddof`` 1.  A combination has no logit where no configuration has a Sharpe ratio in
    sample, or the winner none out of sample: its returns there are all the same.

    Attributes
    ----------
    blocks, length, left_out : int
        Blocks of time, bars of each, bars behind the last one that were left out.
    configurations : int
        How many were compared.
    winners : numpy.ndarray
        Number of the configuration that is best in sample, the first of equal ones; -1: none.
    in_sample, out_of_sample : numpy.ndarray
        Its Sharpe ratios.
    ranks, ranked : numpy.ndarray
        Its rank out of sample, 1 the worst, among how many that have a Sharpe ratio there.
    tied, flat : numpy.ndarray
        How many others equal it there; how many have no Sharpe ratio there and are left out.
    logits : numpy.ndarray
        ``ln(w / (1 - w))`` with ``w = rank / (ranked + 1)``.
    pbo : float
        Share of the logits that are at or below 0.
    """

    def __init__(
        self, given: BlockSums, ties: str, names: tuple[str, ...], masks: IntArray, found: Ranks
    ) -> None:
        self._given, self._masks, self.ties, self.names = given, masks, ties, names
        self.blocks, self.configurations = given.sums.shape
        self.length, self.left_out = given.length, given.left_out
        self.winners, self.flat = found.winners, found.flat
        every = (1 << self.blocks) - 1
        self.in_sample = self._sharpes(masks)
        self.out_of_sample = self._sharpes(every ^ masks)
        known = ~np.isnan(self.out_of_sample) & ~np.isnan(self.in_sample)
        self.ranked = self.configurations - found.flat
        self.tied = np.where(known, found.equal - 1, 0)
        rank = found.lower + (1.0 if ties == "low" else (found.equal + 1) / 2)
        self.ranks = np.where(known, rank, np.nan)
        self.logits = np.log(self.ranks / (self.ranked + 1 - self.ranks))
        defined = self.logits[known]
        self.pbo = float(np.mean(defined <= 0.0)) if len(defined) else float("nan")

    def _sharpes(self, masks: IntArray) -> FloatArray:
        """Sharpe ratios of the winners on the blocks of the masks; NaN where their returns are all the same."""
        total, powers = (
            subset_sums(part, masks, self.winners) for part in (self._given.sums, self._given.squares)
        )
        count = self.length * (self.blocks // 2)
        levels = np.where(
            (masks >> np.arange(self.blocks)[:, None]) & 1, self._given.levels[:, self.winners], np.inf
        )
        low, high = levels.min(axis=0), np.where(np.isinf(levels), -np.inf, levels).max(axis=0)
        flat = (self.winners < 0) | (high - low <= 1e-12 * np.abs(high))
        spread = np.where(flat, np.nan, powers - total * total / count)
        return np.asarray(total / count / np.sqrt(np.maximum(spread, 0.0) / (count - 1)))

    @property
    def combinations(self) -> int:
        """How many ways there are to take half of the blocks."""
        return len(self._masks)

    @property
    def undefined(self) -> int:
        """Combinations without a logit, which the PBO leaves out."""
        return int(np.isnan(self.logits).sum())

    @property
    def selection(self) -> IntArray:
        """int64[configurations]: in how many combinations each is the best in sample."""
        return np.bincount(self.winners[self.winners >= 0], minlength=self.configurations)

    @property
    def probability_of_loss(self) -> float:
        """Share of combinations whose winner has a Sharpe ratio below 0 out of sample."""
        known = self.out_of_sample[~np.isnan(self.logits)]
        return float(np.mean(known < 0.0)) if len(known) else float("nan")

    @property
    def degradation(self) -> Degradation:
        """Least squares through the Sharpe ratios in and out of sample; NaN without spread in sample."""
        known = ~np.isnan(self.logits)
        x, y = self.in_sample[known], self.out_of_sample[known]
        if len(x) < 2 or x.max() == x.min():
            return Degradation(float("nan"), float("nan"), float("nan"))
        across, up = x - x.mean(), y - y.mean()
        slope = float(across @ up / (across @ across))
        explained = slope * float(across @ up) / float(up @ up) if up.any() else float("nan")
        return Degradation(slope, float(y.mean() - slope * x.mean()), explained)

    @functools.cached_property
    def means(self) -> FloatArray:
        """Mean Sharpe ratio out of sample over all configurations that have one, for each combination."""
        outside = ((1 << self.blocks) - 1) ^ self._masks
        totals = mean_sharpes_of(self._given, outside)
        with np.errstate(invalid="ignore"):
            return np.asarray(totals / self.ranked)

    @property
    def dominance(self) -> Dominance:
        """Whether the distribution of the winners' Sharpe ratios dominates that of the mean of all.

        Computed when asked for: it takes a root for each configuration and combination.
        """
        known = ~np.isnan(self.logits)
        chosen, everyone = np.sort(self.out_of_sample[known]), np.sort(self.means[known])
        levels = np.union1d(chosen, everyone)
        if not len(levels):
            return Dominance(False, False)
        below = (
            np.searchsorted(part, levels, side="right") / max(len(part), 1) for part in (everyone, chosen)
        )
        ahead = next(below) - next(below)
        area = np.concatenate([[0.0], np.cumsum(ahead[:-1] * np.diff(levels))])
        least = 1e-12 * max(float(np.abs(area).max()), 1e-300)
        first, second = bool((ahead >= 0.0).all()), bool((area >= -least).all())
        return Dominance(first and bool((ahead > 0.0).any()), second and bool((area > least).any()))

    @property
    def frame(self) -> pl.DataFrame:
        """One row a combination: the blocks in sample, the winner and its figures."""
        import polars as pl

        inside = np.nonzero((self._masks[:, None] >> np.arange(self.blocks)) & 1)[1]
        return pl.DataFrame(
            {
                "combination": np.arange(self.combinations),
                "in_sample_blocks": inside.reshape(-1, self.blocks // 2),
                "winner": self.winners,
                "sharpe_in_sample": self.in_sample,
                "sharpe_out_of_sample": self.out_of_sample,
                "rank": self.ranks,
                "ranked": self.ranked,
                "tied": self.tied,
                "flat": self.flat,
                "logit": self.logits,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """All single figures, plain; without those that have to be computed (`dominance`)."""
        slope, intercept, r_squared = self.degradation
        top = int(np.argmax(self.selection))
        return {
            "pbo": self.pbo,
            "combinations": self.combinations,
            "undefined": self.undefined,
            "configurations": self.configurations,
            "blocks": self.blocks,
            "bars_per_block": self.length,
            "bars_left_out": self.left_out,
            "ties": self.ties,
            "tied_combinations": int((self.tied > 0).sum()),
            "flat_configurations": self.flat_configurations,
            "probability_of_loss": self.probability_of_loss,
            "degradation_slope": slope,
            "degradation_intercept": intercept,
            "degradation_r_squared": r_squared,
            "most_selected": top,
            "most_selected_share": float(self.selection[top] / self.combinations),
        }

    @property
    def flat_configurations(self) -> int:
        """Configurations whose returns are all the same, over all blocks."""
        levels = self._given.levels
        return int((levels.max(axis=0) - levels.min(axis=0) <= 1e-12 * np.abs(levels.max(axis=0))).sum())

    def summary(self) -> str:
        """What was found, in sentences."""
        values, half, counted = self.to_dict(), self.blocks // 2, self.combinations - self.undefined
        if not counted:
            return "\n".join(["No PBO: no configuration has Sharpe ratios to compare.", *self._told(values)])
        top, share = self.name_of(values["most_selected"]), values["most_selected_share"]
        lower, slope = int((self.logits <= 0.0).sum()), values["degradation_slope"]
        first = (
            f"PBO {self.pbo:.3f}: in {lower:,} of {counted:,} combinations of {half} of {self.blocks} blocks the best "
            f"of {self.configurations:,} configurations in sample was in the lower half out of sample."
        )
        second = (
            f"There it lost (Sharpe below 0) in {self.probability_of_loss:.1%} of them; a Sharpe ratio of 1 more in "
            f"sample went with {slope:+.2f} out of sample."
        )
        third = f"Configuration {top} was the best in sample most often, in {share:.1%} of the combinations."
        return "\n".join([first, second, third, *self._told(values)])

    def _told(self, values: dict[str, Any]) -> list[str]:
        """Sentences on what was passed over."""
        tied, flat = values["tied_combinations"], values["flat_configurations"]
        bars = "bar, which fills" if self.left_out == 1 else f"{self.left_out} bars, which fill"
        said = [
            (self.left_out, f"Left out: the last {bars} no block."),
            (tied, f"Equalled out of sample: the winner of {tied:,} combinations (ties={self.ties!r})."),
            (flat, f"Without a Sharpe ratio, as all returns are the same: {flat:,} configurations."),
            (
                self.undefined,
                f"Not counted, as the winner has no Sharpe ratio: {self.undefined:,} combinations.",
            ),
        ]
        return [text for count, text in said if count]

    def name_of(self, number: int) -> str:
        """Name of a configuration: its column's, or its number."""
        return self.names[number] if self.names else str(number)

    def __repr__(self) -> str:
        return f"CSCV(pbo={self.pbo:.3f}, combinations={self.combinations}, configurations={self.configurations})"
