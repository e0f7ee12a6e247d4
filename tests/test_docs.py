"""Documentation tells the truth: examples run and print what they say, commands and links exist, tables are current."""

import ast
import contextlib
import io
import re
import runpy
import shlex
import tomllib
from dataclasses import fields
from typing import get_args

import pytest
import typer.main

from peak_fast import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    Costs,
    Execution,
    Financing,
    PortfolioRules,
    Rank,
    RiskLimits,
    Stops,
    sample,
)
from peak_fast.cli.app import app
from peak_fast.indicators.rows import kinds
from peak_fast.settings.order_table import PRESETS, _TableBase
from peak_fast.settings.rank_table import RankTable
from peak_fast.settings.sizing import SizeRule, Sizing
from peak_fast.settings.variable import VARIABLE
from tests.conftest import ROOT
from tests.test_circles import ROOTS, imports_of, modules_of

# Pages whose Python is run here; the guides of sweeps, tracking and studies have tests of their own.
RUN = (
    "README.md",
    "docs/data.md",
    "docs/strategies.md",
    "docs/settings.md",
    "docs/results.md",
    "docs/portfolios.md",
    "docs/orders.md",
    "docs/validation.md",
    "docs/examples.md",
    "docs/coming_from.md",
    "docs/how_it_works.md",
    "docs/indicators.md",
    "docs/metrics.md",
)
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "tests/README.md",
        ROOT / "bench/README.md",
    )
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read(page):
    return (ROOT / page).read_text("utf-8")


def blocks(text):
    """(language, code) of every fenced block, in order."""
    return FENCE.findall(text)


def prose(text):
    """The text without fenced blocks."""
    return FENCE.sub("", text)


def run_blocks(text, page):
    """Run the Python of a page from top to bottom; each ``text`` block must be what the block before printed."""
    names, printed = {"__name__": "__main__"}, None
    for language, code in blocks(text):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                # In angle brackets: nobody then looks for the source in the page itself.
                exec(compile(code, f"<{page}>", "exec"), names)
            printed = out.getvalue()
        elif language == "text" and printed is not None:
            assert printed == code, (
                f"{page}: the page says\n{code}\nbut the block before it printed\n{printed}"
            )
            printed = None
    return names


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to run examples in; strategies that they register are forgotten afterwards."""
    from peak_fast.strategies import registry as _strategy

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_strategy, "_registry", {})  # those of other tests, too, while a page runs
    return tmp_path


# ---- examples


@pytest.mark.parametrize("page", RUN)
def test_examples_run_and_print_what_the_page_says(page, place):
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    text = read(page)
    run_blocks(text, page)
    assert sum(language == "text" for language, _ in blocks(text)) >= 1


def test_the_readme_example_is_ten_lines_and_its_sweep_row_is_the_single_run(place):
    pytest.importorskip("matplotlib")
    text = read("README.md")
    code = next(code for language, code in blocks(text) if language == "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names = run_blocks(text, "README.md")
    best = names["best"]
    again = names["BacktestEngine"](costs=names["costs"]).run(names["prices"], "ma_crossover", best.params)
    assert again.hash == best.hash
    assert (place / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_the_settings_page_names_every_setting_and_its_file_is_its_example(place):
    text = read("docs/settings.md")
    names = run_blocks(text, "docs/settings.md")
    engine = names["engine"]
    file, book, financing, rank = (code for language, code in blocks(text) if language == "toml")
    (place / "settings.toml").write_text(file)
    again = BacktestEngine.from_config(BacktestConfig.from_toml("settings.toml"))
    for name in ("initial_cash", "execution", "costs", "stops", "sizing", "risk_limits"):
        assert getattr(again, name) == getattr(engine, name), name
    (place / "book.toml").write_text(book)
    rules = BacktestEngine.from_config(BacktestConfig.from_toml("book.toml")).order_book.rules
    assert (rules.latency, rules.volume_amount, rules.stop_limit) == (1, 5.0, "close_direction")
    (place / "financing.toml").write_text(financing)
    assert BacktestConfig.from_toml("financing.toml").financing == names["financing"]
    (place / "rank.toml").write_text(rank)
    rule = Rank.from_table(BacktestConfig.from_toml("rank.toml").rank)
    assert rule.fingerprint() == names["calm"].fingerprint()
    tables = text.split("## Account")[1]
    for kind in (Execution, Costs, Stops, RiskLimits, *get_args(Sizing)):
        rows = tables.split(f"`{kind.__name__}`")[1]
        for name, field in kind.model_fields.items():
            shown = field.default if name == "kind" else name
            assert f"`{shown}`" in rows, (kind.__name__, name)
            if isinstance(field.default, str) and name != "kind":
                assert f'| `{name}` | `"{field.default}"` |' in rows
            elif issubclass(kind, SizeRule) and isinstance(field.default, float):
                assert f"`{name}` {field.default:g}" in rows
    varied = text.split("## Varied in sweeps and studies")[1]
    assert [name for name in VARIABLE if f"`{name}`" not in varied] == []
    rows = tables.split("`[order_book]`")[1]
    assert [name for name in _TableBase.model_fields if f"`{name}`" not in rows] == []
    assert [name for name in PRESETS if f'`"{name}"`' not in rows] == []
    rows = text.split("`[portfolio]`\n")[1].split("\n## ")[0]
    assert [name for name in PortfolioRules.model_fields if f"`{name}`" not in rows] == []
    rows = text.split("`[financing]`\n")[1].split("\n## ")[0]
    assert [field.name for field in fields(Financing) if f"`{field.name}`" not in rows] == []
    rows = text.split("`[rank]`\n")[1].split("\n## ")[0]
    assert [name for name in RankTable.model_fields if f"`{name}`" not in rows] == []
    assert [
        name
        for name in BacktestConfig.model_fields
        if f"`{name}`" not in tables and f"`[{name}]`" not in text
    ] == []


def test_a_page_whose_output_is_wrong_is_noticed():
    page = "```python\nprint(1 + 1)\n```\nsome words\n```text\n3\n```\n"
    with pytest.raises(AssertionError, match="the block before it printed"):
        run_blocks(page, "page")
    run_blocks(page.replace("3\n", "2\n"), "page")


@pytest.mark.parametrize("page", PAGES)
def test_python_parses_also_where_it_is_not_run(page):
    for language, code in blocks(read(page)):
        if language == "python":
            ast.parse(code)


# ---- set-up and commands


def shell_lines(text):
    """Commands of the shell blocks of a page, continuation lines joined."""
    found = []
    for language, code in blocks(text):
        if language in ("console", "bash", "sh", "shell"):
            lines = code.replace("\\\n", " ").splitlines()
            found += [line.strip().removeprefix("$ ") for line in lines if line.strip()]
    return found


def test_readme_names_one_installation_and_two_commands():
    lines = shell_lines(read("README.md"))
    setting_up = [line for line in lines if not line.startswith("peak-fast ")]
    assert setting_up == ["pip install '.[all]'", "make demo", "make test"]
    assert not re.search(r"python -m venv|conda|uv (add|pip)", read("README.md"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"`(\w+)`", read("README.md").split("are the extras")[1].split(";")[0])) < set(
        extras
    )


def make_targets():
    text = (ROOT / "Makefile").read_text() + (ROOT / "bench" / "targets.mk").read_text()
    return {name for line in re.findall(r"^([a-z][\w -]*):", text, re.MULTILINE) for name in line.split()}


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    named = set(re.findall(r"(?:^|`)make ((?:[a-z][\w-]*)(?: [a-z][\w-]*)*)", read(page), re.MULTILINE))
    wanted = {name for names in named for name in names.split()} if named else set()
    assert wanted <= make_targets()


def peak_fast_commands(text):
    """Every use of the command line on a page: in shell blocks, and whole in backticks."""
    lines = [line for line in shell_lines(text) if line.startswith("peak-fast ")]
    return lines + re.findall(r"`(peak-fast [^`]+)`", prose(text))


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_exist(page):
    known = typer.main.get_command(app).commands
    for line in peak_fast_commands(read(page)):
        words = shlex.split(line.split(" #")[0], comments=False)
        name = words[1].rstrip(".,:")
        if name.startswith("-"):
            continue
        assert name in known, f"{page}: `{line}`: no command {name!r}"
        options = {option for item in known[name].params for option in item.opts} | {"--help"}
        used = {word.split("=")[0] for word in words[2:] if word.startswith("--")}
        assert used <= options, f"{page}: `{line}`: no option {sorted(used - options)}"


def run_commands(lines):
    """Command lines as a shell would call them, in this process."""
    from peak_fast.cli.app import main

    for line in lines:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", shlex.split(line))
            with contextlib.suppress(SystemExit):
                main()


def test_the_readme_commands_run(place, capsys):
    from peak_fast import sample

    sample("IBM").slice(0, 700).to_polars().write_parquet("prices.parquet")
    lines = [
        line
        for line in shell_lines(read("README.md"))
        if line.startswith(("peak-fast run", "peak-fast sweep"))
    ]
    assert len(lines) == 2
    run_commands(lines)
    shown = capsys.readouterr()
    assert "ma_crossover" in shown.out and "sharpe" in shown.out
    assert shown.err == "" or "peak-fast:" not in shown.err
    assert (place / "result" / "result.json").exists()


def test_the_commands_of_the_page_of_portfolios_run(place, capsys):
    """With the file that the page shows, as a reader would write it."""
    text = read("docs/portfolios.md")
    (code,) = re.findall(r"^```python file=rotation.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (place / "rotation.py").write_text(code)
    lines = [line for line in shell_lines(text) if line.startswith("peak-fast ")]
    assert len(lines) == 3
    run_commands(lines)
    shown = capsys.readouterr()
    assert "rotation on sample" in shown.out and "Turnover" in shown.out and "9 configurations" in shown.out
    assert "rank on sample" in shown.out
    assert "peak-fast:" not in shown.err and (place / "rotated" / "result.json").exists()


# ---- links and tables


def slug(heading):
    """Anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = prose(read(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target} does not exist"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", prose(file.read_text("utf-8")), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{page}: no heading for {target}"


def test_the_map_leads_to_every_page_and_names_no_other():
    """Every file of docs/ but pictures, once in the table of the map; what is linked exists."""
    rows = re.findall(r"^\|[^|]*\| \[([^\]]+)\]\(([^)]+)\) \|$", read("docs/README.md"), re.MULTILINE)
    assert all(name == target.removeprefix("../") for name, target in rows)
    listed = [target for _, target in rows if not target.startswith("../")]
    assert len(set(listed)) == len(listed)
    files = {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".json")}
    assert set(listed) | {"README.md", "benchmarks.json"} == files


def test_the_results_page_names_what_a_result_has():
    text = read("docs/results.md")
    public = {name for name in dir(BacktestResult) if not name.startswith("_")} | set(
        BacktestResult.__annotations__
    )
    named = set(re.findall(r"`(?:result\.)?(\w+)(?:\(.*?\))?`", text)) | set(re.findall(r"\.(\w+)", text))
    assert {name for name in public if not name.startswith("_")} - named == set()
    result = BacktestEngine().run(sample("IBM").slice(0, 100), "buy_and_hold")
    for name in ("trades", "orders", "fills", "equity_curve", "drawdown"):
        (row,) = re.findall(rf"^\| `{name}` \| (`.*) \|$", text, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == getattr(result, name).columns


def script(name):
    """What a script of this repository defines."""
    return runpy.run_path(str(ROOT / "scripts" / name))


@pytest.mark.parametrize("page", ("strategies.md", "metrics.md"))
def test_tables_from_the_code_are_current(page):
    text = read(f"docs/{page}")
    assert script("make_tables.py")["with_tables"](page, text) == text, "run: python scripts/make_tables.py"


def test_table_of_rows_is_complete():
    section = read("docs/strategies.md").split("### Rows")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.MULTILINE)
    listed = {kind: len([part for part in arguments.split(",") if part.strip()]) for kind, arguments in rows}
    assert listed == kinds()


def test_the_readme_has_room_for_the_benchmark_table_and_no_figures_of_its_own():
    text = read("README.md")
    assert text.count("<!-- bench:start -->") == text.count("<!-- bench:end -->") == 1
    before, rest = text.split("<!-- bench:start -->")
    own = prose(before + rest.split("<!-- bench:end -->")[1])
    speed = re.findall(r"\b\d[\d.,]*\s?(?:ns|us|µs|ms|s|seconds|x|times|MB|GB|/s)\b", own)
    assert speed == [], "figures stand in the generated table only"


@pytest.mark.parametrize("page", ("docs/how_it_works.md", "tests/README.md"))
def test_files_named_on_a_page_exist(page):
    named = re.findall(r"`((?:peak_fast|kernels|bench|tests|scripts|docs)/[\w/.-]+)`", read(page))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def rooms_listed():
    """Rooms of the table in how_it_works.md, from the top."""
    section = read("docs/how_it_works.md").split("## Where things are")[1].split("\n## ")[0]
    return re.findall(r"^\| `((?:peak_fast|kernels)/[\w/]+)` \| [^|]+ \|$", section, re.MULTILINE)


def test_the_table_of_rooms_names_exactly_those_that_exist():
    folders = [
        path
        for top in ("peak_fast", "kernels/peak_kernels")
        for path in (ROOT / top).rglob("*")
        if path.is_dir() and path.name != "__pycache__" and any(item.is_file() for item in path.iterdir())
    ]
    listed = rooms_listed()
    assert len(set(listed)) == len(listed)
    assert set(listed) == {path.relative_to(ROOT).as_posix() for path in folders}


def test_rooms_import_only_what_stands_below_them_in_the_table():
    places = {
        room.removeprefix("kernels/").replace("/", "."): place for place, room in enumerate(rooms_listed())
    }

    def room_of(module):
        """The outer room: inner ones stand under it and belong to it."""
        return next(
            (name for name in places if name.count(".") == 1 and f"{module}.".startswith(f"{name}.")), None
        )

    modules = modules_of(ROOTS)
    edges = {(room_of(name), room_of(other)) for name in modules for other in imports_of(name, modules)}
    edges = {(one, other) for one, other in edges if one and other and one != other}
    assert len(edges) > 50
    assert [(one, other) for one, other in edges if places[one] > places[other]] == []


def test_pictures_of_the_readme_come_from_the_script():
    shown = re.findall(r"!\[[^\]]+\]\(docs/images/([^)]+)\)", read("README.md"))
    assert sorted(shown) == sorted(script("make_pictures.py")["PICTURES"])
