"""Sections of ``docs/BENCHMARKS.md``: each takes one result document and returns Markdown lines."""

from __future__ import annotations

from typing import Any

from bench.report import numbers

Document = dict[str, Any]
BUSY = 2.0  # load per core above which somebody else is at work; the benches themselves use all cores
NEAR = 10.0  # rows where a peer is within this factor are listed with the reason


def by_name(document: Document) -> dict[str, dict[str, Any]]:
    """Return the records of a document by their name without the bench's prefix."""
    prefix = document["bench"] + "/"
    return {record["name"].removeprefix(prefix): record for record in document["records"]}


def generic(document: Document) -> list[str]:
    """One table of all records: figure, median, spread, and the target where one is documented."""
    records = document["records"]
    with_target = any("target" in record for record in records)
    header = ["figure", "median", "smallest - largest"]
    if with_target:
        header += ["documented", "measured / documented", "verdict"]
    rows = []
    for record in records:
        label = record["label"] + (f" ({record['note']})" if record.get("note") else "")
        row = [label, numbers.figure(record["median"], record["unit"]), numbers.spread(record)]
        if with_target:
            row += list(numbers.target(record))
        rows.append(row)
    return numbers.table(header, rows)


def documented(documents: list[Document]) -> list[str]:
    """One table of every figure that has a documented limit, with its verdict and where it is written."""
    rows = []
    for document in documents:
        for record in document["records"]:
            if "target" not in record:
                continue
            limit, ratio, verdict = numbers.target(record)
            group = record["params"].get("group", "")
            label = f"{group}: {record['label']}" if group else record["label"]
            measured = numbers.figure(record["median"], record["unit"])
            rows.append([label, limit, measured, ratio, verdict, record["target"]["source"]])
    header = ["figure", "documented", "measured", "measured / documented", "verdict", "source"]
    return numbers.table(header, rows)


def grouped(document: Document) -> list[str]:
    """As :func:`generic`, with one table per value of the parameter ``group``, in order of appearance."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in document["records"]:
        groups.setdefault(record["params"].get("group", ""), []).append(record)
    lines: list[str] = []
    for group, records in groups.items():
        if group:
            lines += ["", f"**{group}**", ""]
        lines += generic({**document, "records": records})
    return lines


def _peer_rows(document: Document) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for record in document["records"]:
        if record["name"].endswith(("/time", "/warm", "/cold")):
            rows.setdefault(record["params"]["row"], []).append(record)
    return rows


def _times_ours(
    record: dict[str, Any], records: list[dict[str, Any]], names: dict[str, Any], prefix: str
) -> float | None:
    """Peer's time over ours: from the interleaved rounds where recorded, else from the medians."""
    ours = next((other for other in records if other["params"]["engine"] == "peak_fast"), None)
    if ours is None or ours is record:
        return None
    paired = names.get(record["name"].removeprefix(prefix).removesuffix("/time") + "/times_ours")
    if paired is not None:
        return float(paired["median"])
    return float(record["median"] / ours["median"])


def peers(document: Document, reasons: dict[str, str]) -> list[str]:
    """One table per row of work, the rows with a narrow margin, and the differences between engines."""
    names, prefix = by_name(document), document["bench"] + "/"
    lines: list[str] = []
    narrow: list[str] = []
    for row, records in _peer_rows(document).items():
        cells = []
        for record in sorted(records, key=lambda item: item["median"]):
            engine = record["params"]["engine"]
            factor = _times_ours(record, records, names, prefix)
            memory = names.get(record["name"].removeprefix(prefix).removesuffix("/time") + "/rss")
            if factor is not None and factor < NEAR and not engine.startswith(("peak_fast", "bare_loop")):
                reason = reasons.get(engine, "")
                side = "**faster than us**, " if factor < 1 else ""
                near = f"{record['label']} {side}{numbers.significant(factor)}x"
                narrow.append(f"* {row}: {near}. {reason}".rstrip())
            cells.append(
                [
                    record["label"],
                    numbers.figure(record["median"], record["unit"]),
                    numbers.spread(record),
                    "" if factor is None else f"{numbers.significant(factor)}x",
                    "" if memory is None else f"{numbers.significant(memory['median'])} MB",
                    record.get("note", ""),
                ]
            )
        lines += ["", f"**{row}**", ""]
        lines += numbers.table(
            ["engine", "median", "smallest - largest", "time / ours", "peak memory", "note"], cells
        )
    if narrow:
        lines += ["", f"Rows where a peer is within {NEAR:.0f}x of us:", "", *narrow]
    return lines


def growth(document: Document) -> list[str]:
    """Fitted exponents first, then the measured points."""
    records = document["records"]
    exponents = [record for record in records if record["name"].endswith("/exponent")]
    points = [record for record in records if not record["name"].endswith("/exponent")]
    lines = ["![Time and memory against size](benchmarks_growth.png)", ""]
    lines += numbers.table(
        ["growth", "exponent"], [[record["label"], f"{record['median']:.2f}"] for record in exponents]
    )
    return [*lines, "", *grouped({**document, "records": points})]


def notes(document: Document) -> list[str]:
    """Return the notes of a document as a list."""
    return ["", *(f"* {note}" for note in document["notes"])] if document["notes"] else []


def busy(document: Document) -> bool:
    """Whether the load of the machine says that something else was at work during the bench."""
    loads = [value for value in document["load"] if value is not None]
    return max(loads, default=0.0) > BUSY * (document["machine"]["cores"] or 1)


def provenance(document: Document) -> str:
    """Return one line: when, on which commit, by which command, under which load."""
    load = " and ".join("?" if value is None else f"{value:.2f}" for value in document["load"])
    small = " Small scale: rough figures." if document["scale"] != "full" else ""
    if busy(document):
        small += " **The machine was busy with other work: times are too long.**"
    return (
        f"Taken {document['date']} at commit `{document['commit'] or 'unknown'}` with "
        f"`{document['command']}`; load of the machine {load} (start and end).{small}"
    )
