"""Does it hold?  What runs strategies and sweeps again to find out: windows that walk forward, worlds, look-ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_kernels.doors import door

if TYPE_CHECKING:
    from peak_fast.lookahead import Leak, LookaheadReport
    from peak_fast.trials import TrialRegistry
    from peak_fast.validation.crossed import CrossValidationResult
    from peak_fast.validation.crossing import cross_validate
    from peak_fast.validation.judging import validate
    from peak_fast.validation.lookahead import check_lookahead
    from peak_fast.validation.market_states import RegimesResult, regimes
    from peak_fast.validation.noise import NoiseResult, noise_test
    from peak_fast.validation.paths import MonteCarloResult, monte_carlo
    from peak_fast.validation.permutation import PermutationResult, permutation_test, world_of
    from peak_fast.validation.questions import QUESTIONS
    from peak_fast.validation.reality import RealityCheck, reality_check
    from peak_fast.validation.sensitive import SensitivityResult, sensitivity
    from peak_fast.validation.thresholds import Thresholds
    from peak_fast.validation.verdict import Finding, Verdict, judged
    from peak_fast.validation.walked import WalkForwardResult
    from peak_fast.validation.walking import walk_forward
    from peak_fast.validation.windows import Window, windows_of

__all__ = [
    "QUESTIONS",
    "CrossValidationResult",
    "Finding",
    "Leak",
    "LookaheadReport",
    "MonteCarloResult",
    "NoiseResult",
    "PermutationResult",
    "RealityCheck",
    "RegimesResult",
    "SensitivityResult",
    "Thresholds",
    "TrialRegistry",
    "Verdict",
    "WalkForwardResult",
    "Window",
    "check_lookahead",
    "cross_validate",
    "judged",
    "monte_carlo",
    "noise_test",
    "permutation_test",
    "reality_check",
    "regimes",
    "sensitivity",
    "validate",
    "walk_forward",
    "windows_of",
    "world_of",
]

# Where each name of this room lives; those outside `__all__` are for other rooms.
_HOMES = {
    "crossed": ("CrossValidationResult",),
    "peak_fast.trials": ("TrialRegistry",),
    "crossing": ("cross_validate",),
    "lookahead": ("Leak", "LookaheadReport", "check_lookahead"),
    "judging": ("validate",),
    "market_states": ("RegimesResult", "regimes"),
    "noise": ("NoiseResult", "noise_test"),
    "paths": ("MonteCarloResult", "monte_carlo"),
    "permutation": ("PermutationResult", "permutation_test", "world_of"),
    "questions": ("QUESTIONS",),
    "reality": ("RealityCheck", "reality_check"),
    "sensitive": ("SensitivityResult", "sensitivity"),
    "thresholds": ("Thresholds",),
    "verdict": ("Finding", "Verdict", "judged"),
    "walked": ("WalkForwardResult",),
    "walking": ("walk_forward",),
    "windows": ("Window", "windows_of"),
}

__getattr__, __dir__ = door(__name__, _HOMES, __all__)
