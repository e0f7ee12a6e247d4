"""From our ids of runs to those that MLflow knows.

In SQL stores both are the same.  A server and a file store make ids of their own: the writer notes them beside the
segment.  In every store somebody who asks for an id wants to use it, so asking waits until the run is there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from peak_fast.errors import TrackingError
from peak_fast.tracking.caller import launch
from peak_fast.tracking.caller.channel import Channel
from peak_fast.tracking.spool import RunIds, SegmentPaths, SegmentWriter

# A store that does not answer is waited for this long, and then not again for some time.
ASK_TIMEOUT = 5.0
ASK_AGAIN = 30.0


def stored_ids(paths: SegmentPaths, run_ids: Sequence[str]) -> list[str | None]:
    """The store's ids of runs whose beginning it has confirmed; None for a run that it refused."""
    # Both, as the writer moves the one to the place of the other when the segment is finished.
    ids = [RunIds(paths.ids), RunIds(paths.known)]
    found: list[str | None] = []
    for own in run_ids:
        theirs = ids[0].get(own) or ids[1].get(own)
        refused = ids[0].uncertain(own) or ids[1].uncertain(own)
        found.append(theirs or (None if refused else own))
    return found


def ask(channel: Channel, segment: SegmentWriter | None, run_ids: Sequence[str]) -> list[str | None]:
    """The store's ids of runs of a segment, once the runs are there.

    Where the store does not answer within some seconds, or said so a moment ago, all are None, with one warning.
    """
    if segment is None:  # nothing is recorded, which was said
        return [None] * len(run_ids)
    try:
        confirm_begun(channel, segment)
    except (TrackingError, OSError) as error:
        channel.ask_again = time.monotonic() + ASK_AGAIN
        channel.warn("id", f"tracking: the id of a run is not known ({error})")
        return [None] * len(run_ids)
    return stored_ids(segment.paths, run_ids)


def confirm_begun(channel: Channel, segment: SegmentWriter) -> None:
    """Return once everything that was appended to a segment is in the store, or raise where that does not answer."""
    target = (segment.paths, segment.offset)
    if launch.confirmed(*target):
        return
    if time.monotonic() < channel.ask_again:
        raise TrackingError("the store did not answer a moment ago")
    if channel.mode == "sync" and channel.segment is segment:
        channel.replay_now(force=False)
        return
    channel.write_waiting(segment)
    channel.confirm([target], ASK_TIMEOUT, while_starting=True)
