"""The whole page, and the short tables that stand between markers in the README files."""

from __future__ import annotations

import re
from typing import Any

from bench.report import numbers, sections

Published = dict[str, Any]
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
ORDER = (
    "peers",
    "portfolio",
    "engine",
    "sweep",
    "order_sweep",
    "overhead",
    "startup",
    "growth",
    "study",
    "indicators",
    "properties",
    "check",
)
TITLES = {
    "peers": "Peers, side by side",
    "portfolio": "Portfolios, side by side",
    "engine": "One backtest",
    "sweep": "Sweeps",
    "order_sweep": "Sweeps through the order book",
    "overhead": "Tracking overhead",
    "startup": "Cold start and size",
    "growth": "Growth",
    "study": "Studies",
    "indicators": "Indicators",
    "properties": "Property tests",
    "check": "Guarded ratios",
}
# why a compiled peer can come near: printed beside every row where one does
REASONS = {
    "raptorbt": "It is Rust compiled ahead of time, called on ready NumPy arrays; it imports nothing but NumPy.",
    "hftbacktest": "It is compiled Rust driven by a compiled loop, with statistics folded in that loop.",
    "backtesting_py": "It compiles nothing, so it has no start-up cost beyond its imports.",
    "backtrader": "It compiles nothing, so it has no start-up cost beyond its imports.",
    "vectorbt_rust": "Its kernels are compiled ahead of time.",
}
# headline rows: bench, record, text
HEADLINES = (
    ("engine", "5000/time", "one SMA 20/50 backtest with all statistics, 5,000 bars"),
    ("engine", "100000/time", "the same, 100,000 bars"),
    ("engine", "1000000/time", "the same, 1,000,000 bars"),
    ("engine", "5000/from/polars", "5,000 bars, a Polars frame passed each time"),
    ("engine", "5000/from/pandas_index", "the same from pandas"),
    ("engine", "100000/from/polars", "100,000 bars, a Polars frame passed each time"),
    ("engine", "100000/from/pandas_index", "the same from pandas"),
    ("sweep", "sma/10000x5000/threads_1/time", "10,000 configurations x 5,000 bars, one thread"),
    ("sweep", "sma/10000x5000/threads_2/time", "the same, two threads"),
    ("sweep", "sma/10000x5000/threads_1/ns", "time per bar and configuration, one thread"),
    ("sweep", "memory/1000000x5000/rss", "memory of 1,000,000 configurations x 5,000 bars"),
    ("overhead", "noop/caller_percent", "NoopTracker, slowdown of the loop"),
    ("overhead", "background_sqlite_full/caller_percent", "MLflow in the background, slowdown of the loop"),
    ("overhead", "background_sqlite_full/durable", "100 tracked backtests with artifacts, all durable"),
    ("startup", "import", "`import peak_fast`"),
    ("startup", "first_result/warm", "process start to the first result, warm cache"),
    ("startup", "first_ratio/first_frame", "first result of a frame, in processes that import NumPy and Polars"),
    ("startup", "first_ratio/first_book", "the same through the order book"),
    ("startup", "first_ratio/first_portfolio", "first result of a portfolio, in such processes"),
)  # fmt: skip


def _record(published: Published, bench: str, name: str) -> dict[str, Any] | None:
    document = published["benches"].get(bench)
    return sections.by_name(document).get(name) if document else None


def headline_table(published: Published) -> list[str]:
    """Return the short table: our own figures, then the fastest peer of each row of work."""
    rows = []
    for bench, name, text in HEADLINES:
        record = _record(published, bench, name)
        if record is not None:
            limit, _, verdict = numbers.target(record)
            goal = f"{limit} ({verdict})" if limit else ""
            small = published["benches"][bench]["scale"] != "full"
            text += " (small scale: less work than this)" if small else ""
            rows.append([text, numbers.figure(record["median"], record["unit"]), goal])
    return numbers.table(["figure", "median", "documented target"], rows)


def peer_headlines(published: Published) -> list[str]:
    """For each row of work: our time, and how many times longer each of the fastest peers takes."""
    document = published["benches"].get("peers")
    if document is None:
        return []
    names = sections.by_name(document)
    rows = []
    for row in dict.fromkeys(name.split("/")[0] for name in names if name.endswith("/times_ours")):
        ours = names.get(f"{row}/peak_fast/time")
        found = [
            record
            for name, record in names.items()
            if name.startswith(f"{row}/")
            and name.endswith("/times_ours")
            and not record["params"]["engine"].startswith(("peak_fast", "bare_loop"))
        ]
        if ours is None or not found:
            continue
        nearest = sorted(found, key=lambda record: record["median"])
        text = ", ".join(f"{item['label']} {numbers.significant(item['median'])}x" for item in nearest[:4])
        rows.append([ours["params"]["row"], numbers.seconds(ours["median"]), text])
    return numbers.table(["work", "peak_fast", "the nearest peers take"], rows) if rows else []


def machine_line(published: Published) -> str:
    """Return the machine and the dates of the published results."""
    documents = list(published["benches"].values())
    machine = documents[0]["machine"]
    dates = sorted({document["date"][:10] for document in documents})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}; {when}"
    )


def block(published: Published, details: str) -> list[str]:
    """Return what stands between the markers of a README file."""
    peers = peer_headlines(published)
    crowded = any(sections.busy(document) for document in published["benches"].values())
    remark = " **The machine was busy with other work: times are too long.**" if crowded else ""
    return [
        f"Measured on: {machine_line(published)}. All figures, with how they were taken: {details}.{remark}",
        "",
        *headline_table(published),
        *(["", *peers] if peers else []),
    ]


def insert_block(text: str, lines: list[str]) -> str:
    """Replace what stands between the markers.

    Raises
    ------
    ValueError
        Where the text does not have both markers, in order.
    """
    pattern = re.compile(re.escape(START) + r".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"expected the markers {START} and {END}; add them where the table shall stand")
    return pattern.sub(lambda _: "\n".join([START, *lines, END]), text, count=1)


def _versions(published: Published) -> list[str]:
    merged: dict[str, Any] = {}
    for document in published["benches"].values():
        merged.update(document["versions"])
    lines = []
    for name, version in sorted(merged.items(), key=lambda item: item[0].lower()):
        text = ", ".join(f"{k} {v}" for k, v in version.items()) if isinstance(version, dict) else version
        lines.append(f"* {name}: {text}")
    return lines


def render(published: Published) -> str:
    """Return the whole page as Markdown."""
    lines = [
        "# Benchmarks",
        "",
        "Generated by `python -m bench.report` from [benchmarks.json](benchmarks.json), which holds every",
        "sample behind every figure here; do not edit by hand.",
        "",
        f"Machine: {machine_line(published)}.",
        "",
        "Reproduce with `make bench` (all, at most 15 minutes on two cores), `make bench-overhead`,",
        "`make bench-peers`; `peak-fast bench` is a version of half a minute.  Figures are medians of",
        "interleaved rounds.",
        "",
        "## Headlines",
        "",
        *headline_table(published),
        *["", *peer_headlines(published)],
        "",
        "## Documented limits",
        "",
        "Every figure that has a documented limit. Its source says what the limit is for: what the replaced system was",
        "specified to need, or a target that was set for this package.",
        "",
        *sections.documented([document for document in published["benches"].values() if document]),
    ]
    for bench in ORDER:
        document = published["benches"].get(bench)
        if document is None:
            continue
        lines += ["", f"## {TITLES[bench]}", "", document["question"], "", sections.provenance(document), ""]
        if bench in ("peers", "portfolio"):
            lines += sections.peers(document, REASONS)
        elif bench == "growth":
            lines += sections.growth(document)
        else:
            lines += sections.grouped(document)
        lines += sections.notes(document)
    return "\n".join([*lines, "", "## Versions", "", *_versions(published), ""])
