"""What one run gains in one transaction: the form between the spool and the stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from peak_fast.errors import PeakFastError

RUN_NAME = "mlflow.runName"
PARENT_RUN_ID = "mlflow.parentRunId"
USER = "mlflow.user"
OWN_RUN_ID = "peak_fast.run_id"
CONTEXT_TAG = "mlflow.data.context"


class StoreUnavailable(PeakFastError):
    """The store cannot take anything now; the spool stays and the same updates can be applied later."""

    # Whether that is likely to be over in a second.
    passing = False


class ExperimentDeleted(StoreUnavailable):
    """The experiment is in the store's bin: only the user can say what should become of its runs."""


class Refused(PeakFastError):
    """The store never takes these updates as they are.

    ``whole``: nor anything else of the run, which does not exist, say; ``doubtful``: the store may have failed, and
    take the same a moment later.
    """

    def __init__(self, reason: str, *, whole: bool = False, doubtful: bool = False) -> None:
        super().__init__(reason)
        self.whole, self.doubtful = whole, doubtful


class UnknownSpool(PeakFastError):
    """What the records of a segment mean is not known: it has another format, or its beginning is damaged."""


def deleted_experiment(name: str, experiment_id: object) -> ExperimentDeleted:
    """The error that says how to go on."""
    return ExperimentDeleted(
        f"experiment {name!r} is deleted; restore it (mlflow experiments restore "
        f"--experiment-id {experiment_id}) or use another experiment_name"
    )


@dataclass(slots=True)
class Creation:
    """How a run begins."""

    # Name of the experiment, which is created if need be.
    experiment: str
    # The owner's; in a database that is no file, ``mlruns`` in it holds the artifacts of a new experiment.
    folder: str
    name: str
    start_ms: int
    user: str


@dataclass(slots=True, frozen=True)
class Dataset:
    """An MLflow dataset: name, digest (at most 36 characters), and JSON texts."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    context: str = "backtest"

    def content(self) -> dict[str, str | None]:
        """What stands in MLflow's table of datasets; the context belongs to a run's use of it."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "context"}


@dataclass(slots=True)
class Artifact:
    """One file of a run: ``path`` relative to the artifact root, content from ``source`` or ``load()``."""

    path: str
    load: Callable[[], bytes] | None = None
    source: Path | None = None

    def content(self) -> bytes:
        """The bytes of the file."""
        if self.load is not None:
            return self.load()
        return b"" if self.source is None else self.source.read_bytes()


@dataclass(slots=True)
class RunUpdate:
    """New facts about one run; applying an update twice must leave what applying it once leaves."""

    # The id that the tracker made; the store's own id where a run of the user's was joined.
    run_id: str
    # Set if the run begins with this update.
    create: Creation | None = None
    params: dict[str, str] = field(default_factory=dict)
    # Key, value, timestamp in milliseconds, step; NaN allowed, infinities not.
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[Dataset] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    # Status and end in milliseconds, if the run ends.
    end: tuple[str, int] | None = None
    # Tags that are set only where the run has none of the name.
    defaults: dict[str, str] = field(default_factory=dict)

    def pieces(self) -> list[RunUpdate]:
        """Updates that say the same one after the other: the run alone, then halves; none of what cannot be parted."""
        items: list[tuple[str, Any]] = []
        for name in _PARTS:
            values = getattr(self, name)
            items += [(name, item) for item in (values.items() if name in _MAPPINGS else values)]
        if self.end is not None:
            items.append(("end", self.end))
        if self.create is not None:
            return [RunUpdate(self.run_id, self.create), *self._of([items])] if items else []
        middle = len(items) // 2
        return self._of([items[:middle], items[middle:]]) if middle else []

    def _of(self, groups: list[list[tuple[str, Any]]]) -> list[RunUpdate]:
        made = []
        for group in groups:
            update = RunUpdate(self.run_id)
            for name, item in group:
                if name == "end":
                    update.end = item
                elif name in _MAPPINGS:
                    getattr(update, name).update([item])
                else:
                    getattr(update, name).append(item)
            made.append(update)
        return made

    def __str__(self) -> str:
        """What a piece says, for the one who reads why it was refused."""
        if self.create is not None:
            return f"run {self.create.name!r}"
        for name in _MAPPINGS:
            for key, value in getattr(self, name).items():
                return f"{'tag' if name == 'defaults' else name[:-1]} {key!r} = {value[:100]}"
        if self.metrics:
            return f"metric {self.metrics[0][0]!r} = {self.metrics[0][1]}"
        if self.inputs:
            return f"dataset {self.inputs[0].name!r}"
        return self.artifacts[0].path if self.artifacts else f"status {self.end}"


# What can be refused one by one, in the order of writing.
_MAPPINGS = ("params", "tags", "defaults")
_PARTS = ("params", "metrics", "tags", "defaults", "inputs", "artifacts")


@dataclass(slots=True, frozen=True)
class Rejection:
    """What the store refuses for good: ``piece`` of a run, or everything of it where that is None."""

    run_id: str
    reason: str
    piece: RunUpdate | None = None
