"""Every command of the MLflow guide that is marked ``run`` is run, section by section, as a reader would.

A fenced block whose info string is ``python run`` or ``bash run`` belongs to the section (``## ``) that it
stands in. The blocks of a section share one new folder and one Python process; the processes, two at a time,
are forked from one that has imported MLflow already.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("mlflow")
pytest.importorskip("PIL")

if not hasattr(os, "fork") or shutil.which("bash") is None:
    pytest.skip("the guide's commands are for a POSIX shell", allow_module_level=True)

GUIDE = ROOT / "docs" / "MLFLOW_SETUP_GUIDE.md"
RUNNER = """
import itertools, json, os, pathlib, subprocess, sys, time, traceback

blocks, folder = json.load(sys.stdin), pathlib.Path(sys.argv[1])


def outcome_of(block, namespace):
    if block["language"] == "python":
        try:
            exec(compile(block["code"], f"guide, line {block['line']}", "exec"), namespace)
        except BaseException:
            return traceback.format_exc()
        return ""
    command = ["bash", "-euo", "pipefail", "-c", block["code"]]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"exit code {done.returncode}\\n{done.stdout}\\n{done.stderr}" if done.returncode else ""


def run_section(section):
    place = folder / f"section{section[0]['line']}"
    place.mkdir()
    os.chdir(place)
    namespace, failed = {"__name__": "__main__"}, False
    with open(f"{place}.ndjson", "w") as report:
        for block in section:
            start = time.perf_counter()
            error = "an earlier block of this section failed" if failed else outcome_of(block, namespace)
            failed = failed or bool(error)
            outcome = {**block, "error": error, "seconds": time.perf_counter() - start}
            print(json.dumps(outcome), file=report, flush=True)


if "mlflow" in json.dumps(blocks):
    import mlflow
running = 0
for _, section in itertools.groupby(blocks, key=lambda block: block["section"]):
    if running == 2:
        os.wait()
        running -= 1
    if os.fork() == 0:
        run_section(list(section))
        sys.exit()
    running += 1
for _ in range(running):
    os.wait()
"""


def blocks_of(text):
    """All fenced blocks marked ``run``: section, line, language, code."""
    found, section, inside = [], "", None
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is None:
            if line.startswith("## "):
                section = line[3:]
            fence = re.match(r"```(\w*) ?(.*)$", line)
            if fence:
                inside = {
                    "section": section,
                    "line": number,
                    "language": fence[1],
                    "info": fence[2],
                    "code": "",
                }
        elif line.strip() == "```":
            if inside.pop("info").split()[:1] == ["run"]:
                found.append(inside)
            inside = None
        else:
            inside["code"] += line + "\n"
    assert inside is None, f"a block that begins in line {inside['line']} has no end"
    return found


TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = blocks_of(TEXT)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Outcome of each block, by line."""
    folder = tmp_path_factory.mktemp("guide")
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PEAK_FAST_SPOOL_DIR": str(folder / "spool"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
    }
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_ALLOW_FILE_STORE",
        "MLFLOW_EXPERIMENT_NAME",
        "PYTHONWARNINGS",
    ):
        environment.pop(name, None)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder)],
        input=json.dumps(BLOCKS),
        text=True,
        env=environment,
        cwd=folder,
        timeout=900,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return {"seconds": time.perf_counter() - start} | {o["line"]: o for o in outcomes_in(folder)}


def outcomes_in(folder):
    """What the runner reports, in the order of the guide."""
    found = [json.loads(line) for path in folder.glob("*.ndjson") for line in path.read_text().splitlines()]
    return sorted(found, key=lambda outcome: outcome["line"])


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b['section'][:30]}, line {b['line']}")
def test_block_runs(block, outcomes):
    outcome = outcomes[block["line"]]
    assert not outcome["error"], f"{outcome['code']}\n{outcome['error']}"


@pytest.mark.slow
def test_all_blocks_together_take_less_than_a_minute(outcomes):
    if os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):
        pytest.skip("the machine is busy with other work: times say nothing")
    assert outcomes["seconds"] < 60


def test_the_guide_has_its_length_and_is_mostly_run():
    useful = [line for line in TEXT.splitlines() if line.strip()]
    assert len(useful) >= 600 and len(TEXT.splitlines()) <= 800
    assert len(BLOCKS) >= 20
    assert {b["language"] for b in BLOCKS} == {"python", "bash"}


def test_python_blocks_parse_also_where_they_are_not_run():
    for language, code in re.findall(r"```(\w+)[^\n]*\n(.*?)```", TEXT, flags=re.DOTALL):
        if language == "python":
            ast.parse(code)


def test_images_and_links_exist():
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)
    local = [t for t in targets if "://" not in t]
    assert any(t.endswith(".png") for t in local)
    missing = [t for t in local if not (GUIDE.parent / t).exists()]
    assert missing == []


def test_table_of_contents_points_to_sections():
    anchors = {
        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^##+ (.+)$", TEXT, re.M)
    }
    named = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert named and set(named) <= anchors


def test_runner_reports_failures():
    text = "## One\n```python run\nx = 1\n```\n```bash run\nfalse\n```\n```python\nnot run\n```\n## Two\n"
    blocks = blocks_of(text)
    assert [(b["section"], b["language"], b["line"]) for b in blocks] == [
        ("One", "python", 2),
        ("One", "bash", 5),
    ]


def test_runner_marks_a_failing_block_and_those_after_it(tmp_path):
    blocks = blocks_of(
        "## One\n```python run\nx = 1\n```\n```bash run\nexit 3\n```\n```python run\nx += 1\n```\n"
        "## Two\n```python run\nassert 'x' not in globals()\n```\n"
    )
    subprocess.run(
        [sys.executable, "-c", RUNNER, str(tmp_path)], input=json.dumps(blocks), text=True, check=True
    )
    errors = [outcome["error"] for outcome in outcomes_in(tmp_path)]
    assert errors[0] == "" and "exit code 3" in errors[1] and "earlier" in errors[2] and errors[3] == ""
