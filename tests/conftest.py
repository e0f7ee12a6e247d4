"""Fixtures and Hypothesis profiles shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from peak_fast import masking

# Real stores for the tests of tracking and studies; the command line in this process; sweeps to look at.
pytest_plugins = [
    "tests.tracking_fixtures",
    "tests.cli_fixtures",
    "tests.parity.summary",
    "tests.sweep_cases",
    "tests.sweep_results",
    "tests.tracking_mlflow",
    "tests.tracking_segments",
]

ROOT = Path(__file__).resolve().parent.parent

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
# The same examples in every run: a build fails for what a commit changed, and the random search is the nightly's.
settings.register_profile("fast", max_examples=60, derandomize=True, **_COMMON)
settings.register_profile("ci", max_examples=200, **_COMMON)
settings.register_profile("nightly", max_examples=2500, **_COMMON)
settings.load_profile(os.environ.get("PEAK_FAST_HYPOTHESIS", "fast"))


@pytest.fixture(autouse=True)
def _addresses_of_other_tests_are_forgotten():
    """What one test's address hides is hidden for the rest of the process; the next test may show it."""
    yield
    masking._remembered.clear()


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Folder of real data and of other systems' numbers; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("PEAK_FAST_ORACLES", "../shared"))
    if not folder.is_absolute():
        folder = ROOT / folder
    if not folder.is_dir():
        pytest.skip(f"no oracle folder at {folder}; set PEAK_FAST_ORACLES")
    return folder
