"""The parity line of the test report."""


def pytest_terminal_summary(terminalreporter):
    """Print what tests/parity/test_cases.py found, also without ``-s``."""
    from tests.parity.test_cases import FOUND, OUTCOME, parity_line

    if not OUTCOME:
        return
    terminalreporter.write_line(parity_line())
    missed = [(FOUND[case] or "?", case, "; ".join(why)) for case, why in sorted(OUTCOME.items()) if why]
    if missed:
        rows = [("engine", "not reproduced", "reason"), *missed]
        wide, wider = (max(len(row[column]) for row in rows) for column in (0, 1))
        for engine, case, why in rows:
            terminalreporter.write_line(f"  {engine:<{wide}}  {case:<{wider}}  {why}")
