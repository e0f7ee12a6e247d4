"""What 100 runs with three artifacts cost until they are durable: behind a server, in a file store, in SQLite.

    python -m bench servers
    python -m bench.servers --pairs 5 --workers 4 server    # more pairs, `mlflow server` with four workers; one row

A server burns the time of which ours is a small part, so what counts is a ratio.  The requests that our writer makes
are written down once; then a bare client (`http.client`, kept-alive connections, as many at a time as ours, bodies that
are ready) sends the same ones to the same server, in turn with ours.  The load of the machine hits both.  For SQLite
the same files are written and synced, and the same rows inserted, by a few lines that make nothing themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import harness
from bench.bench_overhead import mlflow_server

RUNS, BARS = 100, 5_000
_ID = re.compile(r"[0-9a-f]{32}")
# Stands for the id of a run.
_RUN = "@run@"


@dataclass
class Chain:
    """The requests of one run in their order: method, path, headers, body."""

    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextlib.contextmanager
def recorded() -> Iterator[dict[str, Chain]]:
    """What this process sends through `requests`, by run."""
    import requests

    chains: dict[str, Chain] = {}
    send = requests.Session.send

    def note(self: Any, request: Any, **options: Any) -> Any:
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
            request.body.seek(0)
        body = body.encode() if isinstance(body, str) else bytes(body)
        answer = send(self, request, **options)
        place = urllib.parse.urlsplit(request.url)
        path = place.path + (f"?{place.query}" if place.query else "")
        if path.endswith("runs/create"):
            run_id = answer.json()["run"]["info"]["run_id"]
        else:
            found = _ID.search(path) or _ID.search(body.decode(errors="ignore"))
            run_id = found[0] if found else ""
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        parts = (request.method, path.replace(run_id or _RUN, _RUN), headers)
        content = body if request.method == "PUT" else body.replace((run_id or _RUN).encode(), _RUN.encode())
        chains.setdefault(run_id, Chain()).requests.append((*parts, content))
        return answer

    requests.Session.send = note  # type: ignore[method-assign]
    try:
        yield chains
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def send_bare(uri: str, chains: list[Chain], at_a_time: int) -> float:
    """Seconds that a bare client needs for the same requests."""
    place = urllib.parse.urlsplit(uri)
    free = [http.client.HTTPConnection(str(place.hostname), place.port) for _ in range(at_a_time)]

    def play(chain: Chain) -> None:
        connection, run_id = free.pop(), ""
        for method, path, headers, body in chain.requests:
            content = body if method == "PUT" else body.replace(_RUN.encode(), run_id.encode())
            connection.request(method, path.replace(_RUN, run_id), content, headers)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, (method, path, answer.status, data[:300])
            if path.endswith("runs/create"):
                run_id = json.loads(data)["run"]["info"]["run_id"]
        free.append(connection)

    begin = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(play, chains))
    return time.perf_counter() - begin


def ours(uri: str, folder: Path) -> dict[str, float]:
    """One process with 100 tracked runs and a cold writer, and 100 more with the writer that is there now."""
    request = {
        "tracker": "mlflow",
        "mode": "background",
        "artifacts": "full",
        "uri": uri,
        "runs": RUNS,
        "bars": BARS,
    }
    command = [
        sys.executable,
        "-m",
        "bench.overhead_probe",
        json.dumps({**request, "turns": ["cold", "warm"]}),
    ]
    done = harness.run_process(command, env=_environment(folder), cwd=folder)
    return dict(json.loads(done.output.strip().splitlines()[-1]))


def _environment(folder: Path) -> dict[str, str]:
    found = {"PEAK_FAST_SPOOL_DIR": str(folder / "spool"), "PEAK_FAST_WRITER_LINGER": "2"}
    return {
        **found,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": f"{harness.ROOT}:{harness.ROOT}/kernels",
    }


def requests_of(uri: str, folder: Path) -> list[Chain]:
    """What our writer sends for 100 runs: a process of its own writes them down."""
    target = folder / "requests.json"
    command = [sys.executable, "-m", "bench.servers", "--record", uri, str(target)]
    harness.run_process(command, env={**_environment(folder), "PEAK_FAST_WRITER_INTERVAL": "0"}, cwd=folder)
    found = json.loads(target.read_text())
    return [
        Chain([(m, path, headers, body.encode("latin1")) for m, path, headers, body in run]) for run in found
    ]


def record(uri: str, target: Path) -> None:
    """The other side of :func:`requests_of`."""
    from bench import overhead_probe
    from peak_fast.tracking.spool import store_folder
    from peak_fast.tracking.writer.writer import FolderWriter

    tracker = overhead_probe.build_tracker(
        {"uri": uri, "tracker": "mlflow", "mode": "background", "artifacts": "full"}
    )
    overhead_probe.Loop(BARS, RUNS, tracker)()
    with recorded() as chains:
        FolderWriter(store_folder(uri), uri).replay_all()
    runs = [chain.requests for chain in chains.values() if chain.requests[0][1].endswith("runs/create")]
    assert len(runs) == RUNS
    target.write_text(json.dumps([[(*parts, body.decode("latin1")) for *parts, body in run] for run in runs]))
    tracker.close()


def server_row(pairs: int, workers: int) -> None:
    """Ours and the bare client in turn; the server's own processor time beside the seconds."""
    from peak_fast.tracking.stores.in_flight import IN_FLIGHT

    with tempfile.TemporaryDirectory() as name, mlflow_server(Path(name), workers) as uri:
        folder = Path(name)
        (folder / "spool").mkdir()
        chains = requests_of(uri, folder)
        print(
            f"server, {workers} workers: {sum(len(c.requests) for c in chains)} requests, {IN_FLIGHT} in flight"
        )
        rows: list[tuple[float, float, float]] = []
        for turn in range(pairs):
            found: dict[str, float] = {}
            steps: list[Callable[[], Any]] = [
                lambda found=found: found.update(ours(uri, folder)),
                lambda found=found: found.update(floor=send_bare(uri, chains, IN_FLIGHT)),
            ]
            for step in steps if turn % 2 == 0 else reversed(steps):
                step()
            rows.append((found["cold_durable"], found["warm_durable"], found["floor"]))
            cold, warm, floor = rows[-1]
            seconds = f"cold {cold:6.2f} s, warm {warm:6.2f} s, floor {floor:6.2f} s"
            print(f"  {seconds}: {cold / floor:.2f}, {warm / floor:.2f}", flush=True)
        middle = [statistics.median(row[k] / row[2] for row in rows) for k in (0, 1)]
        print(
            f"  ours / floor: {middle[0]:.2f} with a cold writer, {middle[1]:.2f} with a warm one (medians)"
        )


# Tables of MLflow that a run has rows in, and their columns that name it.
_TABLES = {
    "runs": "run_uuid", "params": "run_uuid", "tags": "run_uuid", "metrics": "run_uuid", "latest_metrics": "run_uuid",
    "inputs": "destination_id",
}  # fmt: skip


def _taken(database: sqlite3.Connection) -> tuple[dict[str, list[Any]], dict[str, bytes]]:
    """Rows and files of the last runs of a database, which has them no more."""
    runs = dict(
        database.execute(f"SELECT run_uuid, artifact_uri FROM runs ORDER BY start_time DESC LIMIT {RUNS}")
    )
    marks, rows = ", ".join("?" * RUNS), {}
    for table, column in reversed(_TABLES.items()):
        which = f"FROM {table} WHERE {column} IN ({marks})"
        rows[table] = database.execute(f"SELECT * {which}", list(runs)).fetchall()
        database.execute(f"DELETE {which}", list(runs))
    files = {}
    for run_id, root in runs.items():
        paths = [path for path in Path(root).rglob("*") if path.is_file()]
        files |= {f"{run_id}/artifacts/{path.relative_to(root)}": path.read_bytes() for path in paths}
    assert len(files) == 3 * RUNS, len(files)
    return rows, files


def store_bare(source: Path, folder: Path) -> float:
    """Seconds in which the files and rows of the last runs are durable once more, in a copy of their database."""
    folder.mkdir()
    shutil.copyfile(source, folder / "store.db")
    database = sqlite3.connect(folder / "store.db", isolation_level=None)
    rows, files = _taken(database)
    begin = time.perf_counter()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_sync, {place for name in files for place in (folder / name, (folder / name).parent)}))
    database.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        marks = ", ".join("?" * len(rows[table][0]))
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
    database.execute("COMMIT")
    took = time.perf_counter() - begin
    database.close()
    return took


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def store_row(label: str, pairs: int, uri_of: Callable[[Path], str], database: str | None = None) -> None:
    """A store that has runs: 100 more with a cold writer, and 100 with that writer; these bare, in a ``database``."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spool").mkdir()
        ours(uri_of(folder), folder)
        for pair in range(pairs):
            rows.append(ours(uri_of(folder), folder))
            if database is not None:
                rows[-1]["floor"] = store_bare(folder / database, folder / f"bare-{pair}")
    cold, warm = (statistics.median(row[f"{kind}_durable"] for row in rows) for kind in ("cold", "warm"))
    print(f"{label}: cold writer {cold:.2f} s, warm writer {warm:.2f} s", flush=True)
    if database is not None:
        floor = statistics.median(row["floor"] for row in rows)
        parts = [
            statistics.median(row[f"{kind}_durable"] / row["floor"] for row in rows)
            for kind in ("cold", "warm")
        ]
        print(f"  bare {floor:.2f} s; ours / floor: {parts[0]:.2f} cold, {parts[1]:.2f} warm (medians)")


def main(arguments: list[str]) -> int:
    """Measure the named rows, all by default."""
    if arguments[:1] == ["--record"]:
        record(arguments[1], Path(arguments[2]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.servers")
    parser.add_argument("rows", nargs="*", help="server, files, sqlite")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    for row in options.rows or ("server", "files", "sqlite"):
        if row == "server":
            server_row(options.pairs, options.workers)
        elif row == "files":
            store_row("file store", options.pairs, lambda folder: (folder / "mlruns").as_uri())
        else:
            store_row("SQLite", options.pairs, lambda folder: f"sqlite:///{folder}/store.db", "store.db")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
