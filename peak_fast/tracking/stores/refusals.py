"""What a store refuses for good is taken out of its run piece by piece, so that it keeps nothing else back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence

from peak_fast.masking import masked
from peak_fast.tracking.sanitize import clean_text
from peak_fast.tracking.stores.files import has_no_place
from peak_fast.tracking.updates import Artifact, Refused, Rejection, RunUpdate

# A server that is too busy says so with a number among those of refusals.
_BUSY = frozenset((408, 425, 429))
# So does one that is starting, or a proxy whose server is; a connection that was kept may have been closed meanwhile.
_PASSING = _BUSY | {502, 503, 504}
_CLOSED = re.compile("Connection aborted|RemoteDisconnected|ConnectionResetError|BrokenPipeError")
_STATUS = re.compile(r"failed with error code (\d{3})|too many (\d{3}) error responses")
_NO_ANSWER = re.compile(r"API request to \S+ failed with (timeout )?exception")
# The tags that say what of a run its store refused.
REFUSED = "peak_fast.refused"
ARTIFACT_ERROR = "peak_fast.artifact_error"
# Seconds after which one item that a server failed with is sent again.
_PAUSES = (0.1, 0.4)
_MAX_TOLD, _MAX_REASON = 4_000, 300
_UNSAID = "a value or file; see the log of the process that wrote it"

# Writes updates durably; what it could leave out by itself, and did.
Write = Callable[[Sequence[RunUpdate]], list[Rejection]]


def write_in_pieces(write: Write, updates: Sequence[RunUpdate]) -> list[Rejection]:
    """Write updates; those that are refused in halves, down to the one value or file that the store does not take.

    Writing something twice changes nothing, so a half that was written before the refusal does no harm.
    """
    try:
        return write(updates)
    except Refused as error:
        refusal = error
    except (ArithmeticError, TypeError, ValueError) as error:  # a value that cannot be handed over
        refusal = Refused(f"{type(error).__name__}: {error}")
    if len(updates) > 1:
        return [found for update in updates for found in write_in_pieces(write, [update])]
    (update,) = updates
    if refusal.whole:
        return [Rejection(update.run_id, masked(str(refusal)))]
    pieces = update.pieces()
    if not pieces:
        for pause in _PAUSES if refusal.doubtful else ():
            time.sleep(pause)
            try:
                return write(updates)
            except Refused as error:
                refusal = error
        return [Rejection(update.run_id, masked(f"{update}: {refusal}"), None if update.create else update)]
    found = []
    for piece in pieces:
        found += write_in_pieces(write, [piece])
        if any(rejection.piece is None for rejection in found):
            return found  # the run itself
    return found


def apply(
    write: Write, updates: Sequence[RunUpdate], tags_of: Callable[[str], dict[str, str]]
) -> list[Rejection]:
    """Write updates piece by piece where need be, and name in the tags of each run what its store refused.

    ``tags_of`` gives the tags that a run has, by our id; it is asked only after a refusal.
    """
    rejections = write_in_pieces(write, updates)
    told: dict[str, dict[str, str]] = {}
    for rejection in rejections:
        if rejection.piece is not None:
            run_id = rejection.run_id
            tags = told.setdefault(run_id, {})
            key = ARTIFACT_ERROR if rejection.piece.artifacts else REFUSED
            before = tags.get(key) or tags_of(run_id).get(key, "")
            reason = clean_text(rejection.reason, _MAX_REASON)
            if reason not in before:
                tags[key] = clean_text("; ".join(filter(None, (before, reason))), _MAX_TOLD)
    for run_id, tags in told.items():
        for key, text in tags.items():
            try:
                write([RunUpdate(run_id, tags={key: text})])
            except Refused:  # what it does not take may stand in the text
                write([RunUpdate(run_id, tags={key: _UNSAID})])
    return rejections


def of_files(run_id: str, problems: Iterable[tuple[Artifact, str]]) -> list[Rejection]:
    """The rejections of files that could not be written."""
    return [
        Rejection(run_id, masked(reason), RunUpdate(run_id, artifacts=[artifact]))
        for artifact, reason in problems
    ]


def is_refusal(error: Exception) -> bool:
    """Whether an error may speak of what was sent, and not of a store that is away.

    A server answers 500 for whatever goes wrong with a value, and for a full disk: only what the store says of other
    values tells the two apart.
    """
    if isinstance(error, (OverflowError, UnicodeError)) or has_no_place(error):
        return True
    status = _status(error)
    return status is not None and ((400 <= status < 500 and status not in _BUSY) or status == 500)


def is_passing(error: BaseException) -> bool:
    """Whether what keeps a store from answering is likely to be over in a second."""
    return _status(error) in _PASSING or _CLOSED.search(str(error)) is not None


def is_failure(error: BaseException) -> bool:
    """Whether a server says that it failed with what was sent."""
    return _status(error) == 500


def _status(error: BaseException) -> int | None:
    said = _STATUS.search(str(error))
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is None and said is not None:
        status = int(said[1] or said[2])
    if status is None and hasattr(error, "get_http_status_code") and not _NO_ANSWER.search(str(error)):
        status = int(error.get_http_status_code())
    return status
