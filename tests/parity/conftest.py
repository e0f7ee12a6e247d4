"""The parity line of the test report."""


def pytest_terminal_summary(terminalreporter):
    """Print what tests/parity/test_cases.py found, also without ``-s``."""
    from tests.parity.reproduce import parity_line, table_of_missed
    from tests.parity.test_cases import FOUND, OUTCOME
    from tests.parity.test_portfolio_cases import OUTCOME as PORTFOLIOS
    from tests.parity.test_portfolio_cases import portfolio_line

    if PORTFOLIOS:
        terminalreporter.write_line(portfolio_line())
    if not OUTCOME:
        return
    terminalreporter.write_line(parity_line(FOUND, OUTCOME))
    for line in table_of_missed(FOUND, OUTCOME):
        terminalreporter.write_line(line)
