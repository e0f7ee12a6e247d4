"""Time zones that stand in the name of a column, or beside the rows: used where they are certain, else told."""

from __future__ import annotations

import re
from dataclasses import replace

from peak_fast.data.options import ReadOptions

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_SHORT = frozenset({
    "EST", "EDT", "ET", "CST", "CDT", "CT", "PST", "PDT", "PT", "MST", "MDT", "MT", "CET", "CEST", "EET",
    "EEST", "WET", "WEST",
    "BST", "IST", "JST", "KST", "HKT", "SGT", "MSK", "AEST", "AEDT", "NZST", "NZDT", "SAST", "BRT",
})  # fmt: skip
_UTC = frozenset({"UTC", "GMT", "Z"})


def zone_in_name(name: str) -> str | None:
    """What a name says about the zone of its times, as it is written; None: nothing.

    >>> [zone_in_name(name) for name in ("Time (EET)", "Datetime (America/New_York)", "time_utc+8", "Time")]
    ['EET', 'America/New_York', 'utc+8', None]
    """
    found = re.search(r"[(\[]([^)\]]+)[)\]]\s*$", name) or re.search(
        r"[\s_]([A-Za-z]{2,4}(?:[+-]\d[\d:]*)?)\s*$", name
    )
    if found is None:
        return None
    text = found[1].strip()
    known = text.upper() in _SHORT | _UTC or _OFFSET.fullmatch(text) or _is_zone(text)
    return text if known else None


def _is_zone(text: str) -> bool:
    from zoneinfo import available_timezones

    return "/" in text and text in available_timezones()


def with_named_zone(said: str | None, where: str, options: ReadOptions, notes: list[str]) -> ReadOptions:
    """The options with the zone that the data name, where the user names none; else a note on what was passed over.

    Parameters
    ----------
    said
        The zone as it is written; None: nothing is said.
    where
        What says it, for the note.
    options
        What the user said.
    notes
        Gets what was understood.
    """
    if said is None or options.time_zone is not None or said.upper() in _UTC:
        return options
    zone = _certain(said)
    if zone is None:
        notes.append(
            f"{where} says {said!r}, which is no certain time zone: times without an offset are taken as UTC; "
            "time_zone= names their zone"
        )
        return options
    notes.append(f"times without an offset are taken in {zone}, as {where} says ({said!r})")
    return replace(options, time_zone=zone)


def _certain(said: str) -> str | None:
    """The zone of a name of the time zone database or of whole hours beside UTC; None: of others."""
    if _is_zone(said):
        return said
    offset = _OFFSET.fullmatch(said)
    if offset is None or int(offset[3] or 0) or int(offset[2]) > (14 if offset[1] == "+" else 12):
        return None
    hours = int(offset[2])
    # The names of these zones count the other way round.
    return f"Etc/GMT{'-' if offset[1] == '+' else '+'}{hours}" if hours else "UTC"
