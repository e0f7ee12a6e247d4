"""What `validate` says: one finding for each question, with its figure, its colour, and what would change it."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from peak_fast.guard import guarded_class
from peak_fast.results import jsonable

COLOURS = ("red", "yellow", "green", "grey")
_HEX = {"red": "#b91c3c", "yellow": "#a16207", "green": "#04785f", "grey": "#6b7280"}
_WORDS = {
    "red": "does not hold",
    "yellow": "not settled",
    "green": "nothing spoke against it",
    "grey": "nothing could be looked at",
}


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    Attributes
    ----------
    name
        Short name of the question, such as ``"overfitting"``.
    question
        The question as a sentence.
    colour
        ``"red"``, ``"yellow"``, ``"green"``; ``"grey"``: told, but without a judgement, or not looked at.
    figure
        The number that decided; NaN without one.
    sentence
        What was seen, with the figure, in plain words.
    threshold
        Where the colours change.
    change
        What would change the answer.
    """

    name: str
    question: str
    colour: str
    figure: float
    sentence: str
    threshold: str = ""
    change: str = ""


@guarded_class()
@dataclass(frozen=True)
class Verdict:
    """All findings about one search; there is no single green light.

    Attributes
    ----------
    strategy, params, objective
        What was judged: the best configuration of the search, by the objective.
    findings
        In the order of the questions.
    parts
        What the tests found, by the names of the findings: `WalkForwardResult`, `PermutationResult` and so on.
    notes
        What was passed over.
    """

    strategy: str
    params: dict[str, Any]
    objective: str
    findings: tuple[Finding, ...]
    parts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def colour(self) -> str:
        """The worst colour among the findings: red, yellow, green, or grey where nothing was judged."""
        return min((one.colour for one in self.findings), key=COLOURS.index, default="grey")

    @property
    def verdict(self) -> str:
        """The colour in words, with the names of the findings that have it; a leak makes all else worthless."""
        if any(one.name == "look_ahead" and one.colour == "red" for one in self.findings):
            return "knows later bars (look_ahead); no other figure means anything"
        names = ", ".join(one.name for one in self.findings if one.colour == self.colour)
        return f"{_WORDS[self.colour]} ({names})" if self.colour in ("red", "yellow") else _WORDS[self.colour]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences of the findings that gave the colour."""
        return tuple(one.sentence for one in self.findings if one.colour == self.colour)

    def finding(self, name: str) -> Finding:
        """The finding of a name.

        Raises
        ------
        KeyError
            It was not looked at.
        """
        return {one.name: one for one in self.findings}[name]

    def _title(self) -> str:
        params = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.strategy} ({params}), best by {self.objective}"

    def summary(self) -> str:
        """The verdict, then each finding with its colour, its threshold and what would change it."""
        lines = [f"{self._title()}: {self.verdict}"]
        for one in self.findings:
            lines.append(f"  [{one.colour}] {one.name}: {one.sentence}")
            lines += [f"      {text}" for text in (one.threshold, one.change) if text]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Findings, verdict, and what each test found, as plain values that JSON can hold."""
        plain: dict[str, Any] = jsonable(
            {
                "strategy": self.strategy,
                "params": self.params,
                "objective": self.objective,
                "colour": self.colour,
                "verdict": self.verdict,
                "findings": [asdict(one) for one in self.findings],
                "parts": {
                    name: part.to_dict() for name, part in self.parts.items() if hasattr(part, "to_dict")
                },
                "notes": list(self.notes),
            }
        )
        return plain

    def section(self) -> str:
        """The findings as a section of HTML, as the tear sheet takes it."""
        rows = "".join(_row(one) for one in self.findings)
        head = f"<p><b>{html.escape(self._title())}</b>: {html.escape(self.verdict)}</p>"
        return (
            f'<section id="validation"><h2>Does it hold?</h2>{head}<div class="scroll">'
            f'<table aria-label="Validation"><tbody>{rows}</tbody></table></div></section>'
        )

    def log(self, tracker: Any) -> None:
        """Record the verdict in the tracker's run: tag ``validation``, ``reports/validation.json`` and ``.txt``."""
        tracker.set_tags({"validation": self.verdict})
        tracker.log_text(json.dumps(self.to_dict(), indent=1, default=str), "reports/validation.json")
        tracker.log_text(self.summary() + "\n", "reports/validation.txt")

    def save(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON."""
        from peak_fast.arguments import place
        from peak_fast.files import write_atomically

        target = place("path", path, "validation.json")
        write_atomically(target, json.dumps(self.to_dict(), indent=1, default=str).encode())
        return target

    def __rich__(self) -> Any:
        from rich.table import Table

        table = Table(title=f"{self._title()}: {self.verdict}", title_justify="left", show_lines=True)
        for name in ("", "question", "what was seen"):
            table.add_column(name, overflow="fold")
        for one in self.findings:
            style = {"red": "red", "yellow": "yellow", "green": "green", "grey": "dim"}[one.colour]
            said = "\n".join(text for text in (one.sentence, one.threshold, one.change) if text)
            table.add_row(f"[{style}]{one.colour}[/]", one.question, said)
        return table

    def _repr_html_(self) -> str:
        return self.section()


def _row(one: Finding) -> str:
    colour, small = _HEX[one.colour], html.escape(f"{one.threshold} {one.change}".strip())
    return (
        f"<tr><td style='color:{colour};font-weight:600'>{one.colour}</td><td>{html.escape(one.name)}</td>"
        f"<td style='text-align:left'>{html.escape(one.sentence)}<br><small>{small}</small></td></tr>"
    )


def judged(value: float, green: float, red: float) -> str:
    """Colour of a figure: green from ``green`` on, red from ``red`` on, yellow between; more may be better or less."""
    if math.isnan(value):
        return "grey"
    better = 1.0 if green > red else -1.0
    if better * value >= better * green:
        return "green"
    return "red" if better * value <= better * red else "yellow"
