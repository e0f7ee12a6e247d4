"""The report of the benchmarks and the guard on their ratios."""

import copy
import json
import re

import pytest

from bench import (
    guard,
    harness,
)
from bench.report import __main__ as report
from bench.report import drawing, numbers, page, sections, tables
from tests.bench_fakes import document, ratio
from tests.conftest import ROOT


def peers_document():
    def params(engine):
        return {"engine": engine, "row": "one backtest, 5,000 bars"}

    records = [
        harness.make_record("peers/single_5000/peak_fast/time", [0.001], "s", label="peak_fast",
                            params=params("peak_fast")),
        harness.make_record("peers/single_5000/raptorbt/time", [0.004], "s", label="raptorbt",
                            params=params("raptorbt")),
        harness.make_record("peers/single_5000/raptorbt/times_ours", [4.2], "ratio", label="raptorbt",
                            params=params("raptorbt")),
        harness.make_record("peers/single_5000/backtrader/time", [0.5], "s", label="backtrader",
                            params=params("backtrader"), note="scaled from 4 configurations"),
        harness.make_record("peers/single_5000/backtrader/times_ours", [500.0], "ratio", label="backtrader",
                            params=params("backtrader")),
    ]  # fmt: skip
    return document("peers", records)


def test_peers_section_lists_narrow_rows_with_their_reason():
    text = "\n".join(sections.peers(peers_document(), {"raptorbt": "It is compiled."}))
    assert "| raptorbt | 4 ms | once | 4.2x |" in text
    assert "* one backtest, 5,000 bars: raptorbt 4.2x. It is compiled." in text
    assert "scaled from 4 configurations" in text
    assert "* one backtest, 5,000 bars: backtrader" not in text


# --- report ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00081, "810 us"), (12.345, "12.3 s"), (1.5e-9, "1.5 ns"), (0.0, "0 ns"), (120.0, "120 s")],
)
def test_times_are_written_in_a_readable_unit(value, text):
    assert numbers.seconds(value) == text


def test_figures_keep_three_digits():
    assert numbers.figure(1234567.0, "runs/s") == "1,234,567 runs/s"
    assert numbers.figure(1.2345, "ratio") == "1.23x"
    assert numbers.figure(0.5, "%") == "+0.5 %"
    assert numbers.significant(float("nan")) == "n/a"


def published():
    target = harness.Target(0.6e-3, "step 1")
    engine = [
        harness.make_record("engine/5000/time", [0.4e-3, 0.5e-3], "s", label="5,000 bars", target=target)
    ]
    curve = {"curve": "bars", "quantity": "time"}
    growth = [
        harness.make_record("growth/bars/time/exponent", [0.97], "exponent", label="time against bars"),
        harness.make_record("growth/bars/time/10", [1e-3], "s", label="10", params={**curve, "size": 10}),
        harness.make_record("growth/bars/time/100", [9e-3], "s", label="100", params={**curve, "size": 100}),
    ]
    results = {
        "engine": document("engine", engine),
        "growth": document("growth", growth),
        "peers": peers_document(),
    }
    return report.collate(results, None)


def test_page_says_machine_date_versions_and_how_to_reproduce():
    text = page.render(published())
    for part in ("C, 2 cores", "2026-01-31", "numba: 0.61.0", "`make bench`", "0123456789", "a remark"):
        assert part in text
    assert "| 5,000 bars | 450 us | 400 us - 500 us | <= 600 us | 0.75x | met |" in text
    assert "| time against bars | 0.97 |" in text
    assert "raptorbt 4.2x, backtrader 500x" in text


def test_small_scale_is_said():
    small = document("engine", [harness.make_record("engine/x", [1.0], "s")], scale="small")
    assert "rough figures" in page.render(report.collate({"engine": small}, None))
    assert "rough figures" not in page.render(published())


def test_a_busy_machine_is_said():
    records = [harness.make_record("engine/x", [1.0], "s")]
    busy = page.render(report.collate({"engine": document("engine", records, load=[0.1, 7.9])}, None))
    assert "busy with other work" in busy
    assert "busy with other work" not in page.render(published())


def test_a_new_run_replaces_its_bench_only():
    before = published()
    newer = document("engine", before["benches"]["engine"]["records"], date="2026-02-02T00:00:00+00:00")
    after = report.collate({"engine": newer}, before)
    assert after["benches"]["engine"]["date"].startswith("2026-02-02")
    assert after["benches"]["peers"] == before["benches"]["peers"]


def test_writing_fills_the_markers_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{page.START}\nold\n{page.END}\n\nEnd\n")
    lines = page.block(published(), "there")
    written = report.write(published(), tmp_path / "docs", {readme: lines})
    text = readme.read_text()
    assert text.startswith("# Title\n") and text.endswith("\nEnd\n")
    assert "old" not in text and "450 us" in text
    assert {path.name for path in written} == {
        "benchmarks.json", "BENCHMARKS.md", "benchmarks_growth.png", "README.md",
    }  # fmt: skip
    stored = json.loads((tmp_path / "docs" / "benchmarks.json").read_text())
    again = report.write(stored, tmp_path / "docs", {readme: page.block(stored, "there")})
    assert again == written and readme.read_text() == text


def test_missing_markers_are_an_error():
    with pytest.raises(ValueError, match="expected the markers"):
        page.insert_block("# no markers", [])


def test_results_of_another_schema_are_refused(tmp_path):
    (tmp_path / "engine.json").write_text(json.dumps(document(schema=0)))
    with pytest.raises(ValueError, match="schema 0, expected 1"):
        report.load_results(tmp_path)


def test_growth_curves_are_sorted_and_drawn(tmp_path):
    growth = published()["benches"]["growth"]
    assert drawing.curves(growth) == {"time": {"bars": [(10.0, 1e-3), (100.0, 9e-3)]}}
    drawing.draw(growth, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_the_published_page_is_what_the_published_json_says():
    if not report.PUBLISHED.exists():
        pytest.skip("no published results yet: run `make bench`")
    found = json.loads(report.PUBLISHED.read_text(encoding="utf-8"))
    assert (report.DOCS / "BENCHMARKS.md").read_text(encoding="utf-8") == page.render(found)
    for file, lines in tables.blocks(found).items():
        text = file.read_text(encoding="utf-8")
        assert page.insert_block(text, lines) == text, (
            f"{file.name}: run `python -m bench.report --published`"
        )


def test_the_source_of_a_limit_says_what_it_is_for():
    what = re.compile(r"(specification of the replaced system(: .+)?|target for [a-z ]+)")
    found = json.loads(report.PUBLISHED.read_text(encoding="utf-8"))["benches"].values()
    targets = [record["target"] for bench in found for record in bench["records"] if record.get("target")]
    in_code = [
        name
        for file in (ROOT / "bench").glob("bench_*.py")
        for name in re.findall(
            r'(?:SOURCE|SPECIFICATION) = "(.+)"|Target\([^")]+"(target [^"]+)"', file.read_text("utf-8")
        )
    ]
    sources = {target["source"] for target in targets} | {one or other for one, other in in_code}
    assert len(targets) > 30 and len(in_code) >= 7
    assert [source for source in sources if not what.fullmatch(source)] == []


def test_tables_of_documents_name_records_that_exist():
    found = json.loads(report.PUBLISHED.read_text(encoding="utf-8"))
    for rows in tables.ROWS.values():
        for bench, name, _ in rows:
            assert name in sections.by_name(found["benches"][bench]), (bench, name)


# --- guard ----------------------------------------------------------------------------------------


def check_run(*records):
    return document("check", records)


def test_guard_passes_within_the_tolerance_and_fails_above():
    baseline = guard.make_baseline(check_run(ratio("check/a", 2.0), ratio("check/b", 1.0)), None)
    rows = guard.compare(check_run(ratio("check/a", 2.6), ratio("check/b", 1.4)), baseline)
    assert [(row.name, row.verdict) for row in rows] == [("check/b", "regression"), ("check/a", "ok")]


def test_guard_knows_missing_and_new_ratios():
    baseline = guard.make_baseline(check_run(ratio("check/a", 2.0)), None)
    rows = guard.compare(check_run(ratio("check/b", 9.0)), baseline)
    assert [(row.name, row.verdict) for row in rows] == [
        ("check/a", "missing from the run"),
        ("check/b", "new: not in the baseline"),
    ]


def test_guard_leaves_unguarded_records_out():
    run = check_run(ratio("check/a", 2.0), ratio("check/b", 2.0, guarded=False))
    assert guard.guarded(run) == {"check/a": 2.0}


def test_update_keeps_tolerances_set_by_hand():
    run = check_run(ratio("check/a", 2.0), ratio("check/b", 1.0))
    before = guard.make_baseline(run, None)
    before["tolerance"] = 0.5
    before["ratios"]["check/a"]["tolerance"] = 1.0
    after = guard.make_baseline(
        check_run(ratio("check/a", 3.0), ratio("check/b", 1.0)), copy.deepcopy(before)
    )
    assert after["ratios"]["check/a"] == {"median": 3.0, "tolerance": 1.0}
    assert after["tolerance"] == 0.5
    rows = guard.compare(check_run(ratio("check/a", 5.9), ratio("check/b", 1.6)), after)
    assert {row.name: row.verdict for row in rows} == {"check/a": "ok", "check/b": "regression"}


def write(path, found):
    path.write_text(json.dumps(found))
    return str(path)


def test_guard_exit_codes_and_worst_offenders(tmp_path, capsys):
    run, slow = tmp_path / "check.json", tmp_path / "slow.json"
    baseline = str(tmp_path / "baseline.json")
    write(run, check_run(ratio("check/a", 2.0), ratio("check/b", 1.0)))
    assert guard.main(["--run", str(run), "--baseline", baseline]) == 2
    assert "--update" in capsys.readouterr().err
    assert guard.main(["--run", str(run), "--baseline", baseline, "--update"]) == 0
    assert guard.main(["--run", str(run), "--baseline", baseline]) == 0
    write(slow, check_run(ratio("check/a", 4.0), ratio("check/b", 9.0)))
    assert guard.main(["--run", str(slow), "--baseline", baseline]) == 1
    out = capsys.readouterr().out
    assert re.search(r"2 of 2 ratios fail; worst: check/b, check/a", out)


def test_guard_refuses_another_schema(tmp_path, capsys):
    run = write(tmp_path / "check.json", document("check", schema=9))
    assert guard.main(["--run", run, "--baseline", str(tmp_path / "none.json")]) == 2
    assert "schema 9, expected 1" in capsys.readouterr().err
