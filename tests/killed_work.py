"""Work that kills itself: ``python -m tests.killed_work KIND FOLDER LINE``.

It sends itself the signal that nobody can catch before the given line of those that write files. With LINE 0 it runs
to its end and prints how many such lines there were.
"""

import os
import signal
import sys
from pathlib import Path

import peak_fast as pf
from peak_fast.results import bundle, generations  # noqa: F401  (loaded before lines are counted)
from tests.damaged_files import portfolio, result, study, sweep

WRITERS = {
    "sweep": ("sweep/store/store.py", "sweep/store/folder.py", "sweep/store/lock.py", "peak_fast/files.py"),
    "saved sweep": ("sweep/view/export.py", "sweep/store/folder.py", "peak_fast/files.py"),
    "save": ("results/bundle.py", "results/generations.py", "peak_fast/files.py"),
    "portfolio": ("portfolio/bundle.py", "results/generations.py", "peak_fast/files.py"),
    "study": ("studies/storage/journal.py", "studies/storage/ledger.py", "peak_fast/files.py"),
}


def counting(files, last):
    """A trace function that counts lines of files, and the count."""
    seen = [0]

    def of_line(frame, event, argument):
        if event == "line":
            seen[0] += 1
            if seen[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return of_line

    def of_call(frame, event, argument):
        return of_line if frame.f_code.co_filename.replace(os.sep, "/").endswith(files) else None

    return of_call, seen


def work(kind, folder):
    if kind == "sweep":
        return lambda: sweep(folder)
    if kind == "saved sweep":
        table = sweep(None)
        return lambda: table.save(folder)
    if kind == "portfolio":
        whole = portfolio()
        whole.metadata  # noqa: B018
        return lambda: whole.save(folder)
    if kind == "save":
        new = result(seed=5)
        new.metadata  # noqa: B018  (what is computed for the file is not what is tested)
        return lambda: new.save(folder)
    return lambda: study(folder / "study.log").run()


if __name__ == "__main__":
    kind, folder, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    todo = work(kind, folder)
    trace, seen = counting(WRITERS[kind], last)
    pf.synthetic(10, seed=1)
    sys.settrace(trace)
    todo()
    sys.settrace(None)
    print(seen[0])
