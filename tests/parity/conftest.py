"""The parity line of the test report."""


def pytest_terminal_summary(terminalreporter):
    """Print what tests/parity/test_cases.py found, also without ``-s``."""
    from tests.parity.test_cases import OUTCOME, parity_line

    if not OUTCOME:
        return
    terminalreporter.write_line(parity_line())
    for case, why in sorted(OUTCOME.items()):
        if why:
            terminalreporter.write_line(f"  not reproduced: {case}: {'; '.join(why)}")
