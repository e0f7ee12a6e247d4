"""What the cases of other systems gave, in the last lines of a run: a plugin, listed in ``tests/conftest.py``.

With several processes (pytest-xdist) the one that reports runs no tests: each of the others sends its lines.
"""

import sys

import pytest

_sent: list[str] = []


def lines() -> list[str]:
    """What the tests of this process found; nothing where none of them ran."""
    found = []
    portfolios = sys.modules.get("tests.parity.test_portfolio_cases")
    if portfolios is not None and portfolios.OUTCOME:
        found.append(portfolios.portfolio_line())
    cases = sys.modules.get("tests.parity.test_cases")
    if cases is not None and cases.OUTCOME:
        from tests.parity.reproduce import parity_line, table_of_missed

        found.append(parity_line(cases.FOUND, cases.OUTCOME))
        found += table_of_missed(cases.FOUND, cases.OUTCOME)
    return found


def pytest_sessionfinish(session):
    sent = getattr(session.config, "workeroutput", None)
    if sent is not None:
        sent["parity"] = lines()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    _sent.extend(getattr(node, "workeroutput", {}).get("parity", ()))


def pytest_terminal_summary(terminalreporter):
    for line in (*_sent, *lines()):
        terminalreporter.write_line(line)
