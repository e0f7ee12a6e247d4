"""Virtual environments of the peers: one each, made on first use, remade when its requirements change.

    python -m bench.peers.venvs            # make all
    python -m bench.peers.venvs raptorbt   # make some

A peer that cannot be installed is reported with the last line of pip's message and skipped by the bench.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PEERS_DIR = Path(__file__).resolve().parent
VENVS_DIR = PEERS_DIR.parent / "venvs"
NAMES = (
    "vectorbt", "raptorbt", "hftbacktest", "backtesting_py", "nautilus_trader", "backtrader", "pybroker",
    "polars_bt", "polars_backtest", "bt",
)  # fmt: skip
INSTALL_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Environment:
    """Outcome of making one environment; ``python`` is None where it failed."""

    name: str
    python: Path | None
    reason: str = ""
    seconds: float = 0.0


def _venv_python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _interpreters() -> list[str]:
    """This interpreter first, then other versions found: some peers need a newer Python than ours."""
    found = [sys.executable]
    for version in ("3.13", "3.12"):
        path = shutil.which(f"python{version}")
        if path and subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0:
            found.append(path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for path in sorted(pyenv.glob("3.1[23].*/bin/python"), reverse=True)]
    return found


def _run(command: list[str]) -> tuple[bool, str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False, f"not finished after {INSTALL_TIMEOUT_SECONDS} s"
    lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()]
    return done.returncode == 0, lines[-1] if lines else f"exit code {done.returncode}"


def make(name: str) -> Environment:
    """Make (or reuse) the environment of one peer.

    Parameters
    ----------
    name
        Folder name under ``bench/peers``.

    Returns
    -------
    Environment
        With ``python=None`` and a reason where no interpreter could install the requirements.
    """
    requirements = PEERS_DIR / name / "requirements.txt"
    stamp = hashlib.blake2b(requirements.read_bytes(), digest_size=8).hexdigest()
    folder = VENVS_DIR / name
    marker = folder / "bench_stamp"
    if marker.is_file() and marker.read_text() == stamp and _venv_python(folder).exists():
        return Environment(name, _venv_python(folder))
    begin = time.perf_counter()
    reason = "no interpreter"
    for interpreter in _interpreters():
        shutil.rmtree(folder, ignore_errors=True)
        ok, reason = _run([interpreter, "-m", "venv", str(folder)])
        if not ok:
            continue
        python = _venv_python(folder)
        ok, reason = _run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)])
        if ok:
            marker.write_text(stamp)
            return Environment(name, python, seconds=time.perf_counter() - begin)
    shutil.rmtree(folder, ignore_errors=True)
    return Environment(name, None, reason, time.perf_counter() - begin)


def main(names: list[str]) -> int:
    """Make the named environments (all of them by default) one after the other."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"unknown peers {unknown}; known: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in names or NAMES:
        environment = make(name)
        state = "ready" if environment.python else f"skipped: {environment.reason}"
        print(f"{name}: {state} ({environment.seconds:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
