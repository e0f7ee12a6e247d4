"""``python -m peak_fast``: the command line."""

from peak_fast.cli import main

main()
