"""Short tables that stand between markers in documents other than the report, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import harness
from bench.report import numbers, page, sections

Published = dict[str, Any]
REPORT = "BENCHMARKS.md"

# bench, record, text
TRACKING = (
    ("overhead", "none/untracked", "100 backtests of 5,000 bars, untracked"),
    ("overhead", "background_sqlite_full/caller_percent", "slowdown of that loop, background, SQLite, all artifacts"),
    ("overhead", "noop/caller_percent", "slowdown of that loop, `NoopTracker`"),
    ("overhead", "background_sqlite_full/per_run", "the caller waits for a run, background, all artifacts"),
    ("overhead", "background_sqlite_full/durable", "100 runs with artifacts durable, first ever on a machine"),
    ("overhead", "background_sqlite_full/known_durable", "the same, cold writer on a machine that has tracked runs"),
    ("overhead", "background_sqlite_full/warm_durable", "the next 100 of that, writer warm"),
    ("overhead", "background_sqlite_none/warm_durable", "100 runs without artifacts, writer warm"),
    ("overhead", "sync_sqlite_full/per_run", '`mode="sync"`, SQLite, a run with all artifacts'),
    ("overhead", "sync_sqlite_none/per_run", '`mode="sync"`, SQLite, a run without artifacts'),
    ("overhead", "background_file_full/warm_durable", "100 runs with artifacts, file store, writer warm"),
    ("overhead", "background_server_full/warm_durable", "100 runs with artifacts, local server, writer warm"),
    ("overhead", "bulk/rate", "`log_runs`, SQLite, 20 parameters and 20 metrics"),
    ("overhead", "background_sqlite_full/writer_cpu", "CPU time of the writer, imports included, 100 runs of that"),
    ("overhead", "background_sqlite_full/caller_mb", "memory of the caller's process, more than before"),
    ("overhead", "background_sqlite_full/writer_mb", "memory of the writer"),
    ("overhead", "background_sqlite_full/disk", "disk for a run with all artifacts"),
    ("overhead", "background_sqlite_none/disk", "disk for a run without artifacts"),
)  # fmt: skip
ORDERS = (
    ("engine", "orders", "1,000,000 bars with 10,000 limit and stop orders"),
    ("engine", "orders_stats", "the same, statistics read"),
    ("startup", "first_orders/warm", "process start to the first `simulate_orders`, kernels on disk"),
    ("startup", "first_orders/cold", "the same, kernels compiled"),
)
ORDER_SWEEPS = tuple(
    ("order_sweep", f"{case}/{variant}", f"{text}, {what}")
    for case, text in (
        ("market", "market orders"),
        ("limit", "entries at a limit with stops"),
        ("short", "market orders, shorts too"),
        ("block", "a block that places orders"),
    )
    for variant, what in (
        ("threads_1/ns", "one thread"),
        ("threads_2/ns", "two threads"),
        ("single/ns", "single runs one by one"),
    )
)
ROWS = {
    "docs/sweeps.md": ORDER_SWEEPS,
    "docs/tracking.md": TRACKING,
    "docs/orders.md": ORDERS,
}


def figures(published: Published, rows: tuple[tuple[str, str, str], ...]) -> list[str]:
    """One row for each record that was measured: text and median."""
    cells = []
    for bench, name, text in rows:
        document = published["benches"].get(bench)
        record = sections.by_name(document).get(name) if document else None
        if record is not None:
            cells.append([text, numbers.figure(record["median"], record["unit"])])
    return numbers.table(["figure", "median"], cells)


def indicators(published: Published) -> list[str]:
    """One row for each indicator, one column for each number of bars."""
    document = published["benches"].get("indicators")
    if document is None:
        return []
    found: dict[str, dict[int, str]] = {}
    for record in document["records"]:
        text = numbers.significant(record["median"])
        found.setdefault(record["label"], {})[record["params"]["bars"]] = text
    sizes = sorted({size for cells in found.values() for size in cells})
    header = ["ns per bar", *(f"{size:,} bars" for size in sizes)]
    return numbers.table(
        header, [[name, *(cells.get(size, "") for size in sizes)] for name, cells in found.items()]
    )


def blocks(published: Published) -> dict[Path, list[str]]:
    """Lines between the markers of every document that has some."""
    root = harness.ROOT
    source = f"From [{REPORT}]({REPORT}), where machine, date and spread stand:"
    found = {
        root / "README.md": page.block(published, f"[docs/{REPORT}](docs/{REPORT})"),
        root / "bench" / "README.md": page.block(published, f"[docs/{REPORT}](../docs/{REPORT})"),
    }
    for name, rows in ROWS.items():
        found[root / name] = [source, "", *figures(published, rows)]
    if "indicators" in published["benches"]:
        found[root / "docs" / "indicators.md"] = [source, "", *indicators(published)]
    return found
