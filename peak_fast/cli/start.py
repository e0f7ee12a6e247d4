"""The start of ``peak-fast``: a plain run without the parser, everything else by it.

Importing the parser and what it checks values with takes as long as everything else that a first result needs.
"""

from __future__ import annotations

import sys

from peak_fast.cli.plain import check_values, plain_run, stop
from peak_fast.errors import PeakFastError
from peak_fast.guard import EXIT_CODE, last_message


def main() -> None:
    """Entry point: a wrong input is one line on standard error and exit code 2."""
    try:
        check_values(sys.argv[1:])
        given = plain_run(sys.argv[1:])
        if given is not None:
            from peak_fast.cli.single import run_single

            run_single(**given)
            return
    except PeakFastError as error:
        stop(str(error), 2)
    except KeyboardInterrupt:
        stop(last_message(), EXIT_CODE)
    from peak_fast.cli.app import main as by_parser

    by_parser()
