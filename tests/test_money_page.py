"""One page of arithmetic: the kernels compute no fee, slippage, lot or value of a size outside `money`.

The rule looks at names: kernels call things what they are.  A product or quotient is found that joins a price with a
size, or has a cost or a lot in it; what stands in a call of `money` is that function's business.
"""

import ast
from pathlib import Path

import pytest

KERNELS = Path(__file__).resolve().parent.parent / "kernels" / "peak_kernels"
ELSEWHERE = {
    "money": "the page itself",
    "simd": "makes instructions; `fold_equity` states cash + units * price a second time, eight bars at a time",
    # Prices alone, never a size.
    "averages": "indicators", "indicators": "indicators", "oscillators": "indicators", "rolling": "indicators",
    "trend": "indicators", "usual": "indicators",
}  # fmt: skip

PRICE = {
    "price", "prices", "open", "high", "low", "close", "mark", "level", "reference", "average", "valuation", "adjusted",
    "previous", "limit", "stop", "goal", "opening", "paid", "now", "at",
}  # fmt: skip
SIZE = {
    "size",
    "units",
    "held",
    "position",
    "wanted",
    "allowed",
    "opened",
    "closed",
    "done",
    "signed",
    "rest",
}
SLIP = {"slip", "slippage"}
COST = {"fee", "fees", "fixed", "maker", *SLIP}
LOT = {"lot", "granularity"}
COST_SLOTS = {"RATE", "MAKER_RATE"}


def words(node):
    """What a term is about: the words of its names and slots, without what a call is given."""
    if isinstance(node, ast.Name):
        return set(node.id.lower().split("_"))
    if isinstance(node, ast.Attribute):
        return {"fee"} if node.attr in COST_SLOTS else set(node.attr.lower().split("_"))
    if isinstance(node, ast.Call):
        of_money = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "money"
        if of_money:
            return set()
        plain = ast.unparse(node.func) in (
            "abs",
            "min",
            "max",
            "float",
            "np.sqrt",
            "np.floor",
            "np.rint",
            "math.floor",
        )
        return set().union(*map(words, node.args)) if plain else words(node.func)
    if isinstance(node, ast.Subscript):
        slots = [item for item in ast.walk(node.slice) if isinstance(item, ast.Attribute)]
        return words(node.value).union(*map(words, slots))
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    if isinstance(node, ast.BinOp):
        return words(node.left) | words(node.right)
    return words(node.operand) if isinstance(node, ast.UnaryOp) else set()


def terms(node):
    """All nodes but those of indices: where something is kept says nothing about money."""
    yield node
    for name, child in ast.iter_fields(node):
        for item in child if isinstance(child, list) else [child]:
            if isinstance(item, ast.AST) and not (isinstance(node, ast.Subscript) and name == "slice"):
                yield from terms(item)


def arithmetic(source):
    """Lines and texts of what belongs on the page."""
    found = []
    for node in terms(ast.parse(source)):
        if isinstance(node, ast.BinOp):
            left, right = words(node.left), words(node.right)
        elif isinstance(node, ast.AugAssign):
            left, right = words(node.target), words(node.value)
        else:
            continue
        if isinstance(node.op, ast.Add | ast.Sub):
            # Sums of money are bookkeeping; a price that slips and a fee that is made up of parts are not.
            slips = (left & PRICE and right & SLIP) or (right & PRICE and left & SLIP)
            wrong = slips or (isinstance(node.op, ast.Add) and "fixed" in left | right)
        elif isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv | ast.Mod | ast.Pow):
            wrong = (
                (left & PRICE and right & SIZE)
                or (left & SIZE and right & PRICE)
                or (left | right) & (COST | LOT)
            )
        else:
            wrong = False
        if wrong:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


FILES = sorted(path for path in KERNELS.rglob("*.py") if path.stem not in ELSEWHERE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_money_is_counted_on_its_page(path):
    assert arithmetic(path.read_text(encoding="utf-8")) == []


def test_the_page_itself_would_be_found():
    """The rule sees what it is there for: most functions of the page, written anywhere else."""
    page = ast.parse((KERNELS / "money.py").read_text(encoding="utf-8"))
    seen = {
        node.name for node in page.body if isinstance(node, ast.FunctionDef) and arithmetic(ast.unparse(node))
    }
    assert {
        "value",
        "worth",
        "equity",
        "average_cost",
        "fee",
        "slippage",
        "whole_lots",
        "lots_within",
    } <= seen


@pytest.mark.parametrize(
    "line",
    [
        "value = size * price",
        "value = m[row + f.A_POSITION] * m[row + f.A_MARK] * multiplier",
        "equity = cash + units * prices[t.MARK, bar]",
        "units = budget / price / held",
        "units *= price",
        "paid = value * state[t.RATE] + state[t.FEE_FIXED]",
        "paid = abs(size) * state[t.FEE_PER_UNIT]",
        "paid = value * m[f.R_FEE_RATE]",
        "paid = value * rate + fixed",
        "price = reference * (1.0 + side * m[f.R_SLIP_AMOUNT])",
        "price = reference + slippage",
        "size = math.floor(size / lot) * lot",
        "size = size // m[row + f.A_LOT]",
        "cost = abs(position) * (price if side > 0.0 else mark)",
    ],
)
def test_a_planted_line_is_found(line):
    path = KERNELS / "rules.py" if (KERNELS / "rules.py").exists() else KERNELS / "fast" / "rules.py"
    source = path.read_text(encoding="utf-8")
    assert arithmetic(source) == []
    assert len(arithmetic(f"{source}\n\ndef planted():\n    {line}\n")) >= 1
