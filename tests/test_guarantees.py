"""Each guarantee of trackers names the tests that show it, and these exist."""

import re

import pytest

from tests.conftest import ROOT


def guarantees():
    text = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8")
    section = text.partition("### What is guaranteed\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    return {said.strip(): re.findall(r"`(test_\w+)`", shown) for said, shown in rows}


@pytest.fixture(scope="module")
def tests():
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^ *def (test_\w+)\(", text, re.MULTILINE)}


@pytest.mark.parametrize("said", guarantees())
def test_a_guarantee_is_shown_by_tests_that_exist(said, tests):
    shown = guarantees()[said]
    assert shown, "name the tests that show it"
    assert [name for name in shown if name not in tests] == []


def test_there_are_guarantees():
    assert len(guarantees()) > 10
