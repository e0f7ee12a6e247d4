"""Running cases through the adapters of their engines, and what is printed of the outcome."""

from tests.parity.adapters import backtesting_py, backtrader, vectorbt
from tests.parity.cases import Case, Unsupported, differences, load_case

ENGINES = {"vectorbt": vectorbt, "backtesting.py": backtesting_py, "backtrader": backtrader}


def reproduce(case: Case) -> list[str]:
    """Run a case with the adapter of its engine; what differs."""
    if case.engine not in ENGINES:
        raise Unsupported(f"no adapter for the engine {case.engine!r}")
    return differences(case, ENGINES[case.engine].run(case))


def why_not(folder) -> tuple[str, list[str]]:
    """Engine of a case folder, and why it is not reproduced: nothing when it is."""
    case = load_case(folder)
    try:
        return case.engine, reproduce(case)
    except Unsupported as why:
        return case.engine, [f"not supported: {why}"]
    except Exception as error:
        return case.engine, [f"the run failed: {type(error).__name__}: {error}"]


def parity_line(found: dict[str, str], outcome: dict[str, list[str]]) -> str:
    """``parity: vectorbt a/b, backtesting.py c/d, backtrader e/f`` of names -> engine and names -> reasons."""
    parts = []
    for engine in ENGINES:
        names = [name for name, owner in found.items() if owner == engine]
        parts.append(f"{engine} {sum(not outcome[name] for name in names)}/{len(names)}")
    return "parity: " + ", ".join(parts)


def table_of_missed(found: dict[str, str], outcome: dict[str, list[str]]) -> list[str]:
    """Lines of a table of the cases that were not reproduced and why; no line when all were."""
    missed = [(found[name] or "?", name, "; ".join(why)) for name, why in sorted(outcome.items()) if why]
    if not missed:
        return []
    rows = [("engine", "not reproduced", "reason"), *missed]
    wide, wider = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"  {engine:<{wide}}  {name:<{wider}}  {why}" for engine, name, why in rows]
