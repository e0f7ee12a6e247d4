"""Numbers in text: decimal commas, thousands, currencies, K and M, words for missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peak_fast.data.text_layout import NULL_WORDS, cell_kind
from peak_fast.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_FACTORS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_GROUPED = r"^[0-9]{1,3}(?:{t}[0-9]{2,3})*{t}[0-9]{3}(?:{d}[0-9]*)?$"
_PLAIN = r"^(?:[0-9]+(?:{d}[0-9]*)?|{d}[0-9]+)(?:[eE][-+]?[0-9]+)?$"


def looks_numeric(texts: pl.Series) -> bool:
    """Whether the first value of a column that is not missing is a number."""
    for start in range(0, len(texts), 1000):
        for value in texts.slice(start, 1000):
            if value is not None and cell_kind(value) != "e":
                return cell_kind(value) == "n"
    return False


def plain_numbers(texts: pl.Series, *, codes: bool = True) -> pl.Series | None:
    """Integers or floats where every value is plainly one; None where a value needs more than that.

    Digits with a leading zero ("000123") and rounded ones (1.70657E+12) are codes, not numbers, unless ``codes`` is
    false: the column stays text.
    """
    import polars as pl

    first = texts.drop_nulls().head(1)
    whole = not len(first) or first[0].strip().lstrip("+-").isdigit()
    for dtype in (pl.Int64, pl.Float64) if whole else (pl.Float64,):
        numbers = texts.cast(dtype, strict=False)
        if numbers.null_count() == texts.null_count():
            if codes and dtype == pl.Int64 and texts.str.contains(r"^0[0-9]").any():
                return texts
            if codes and dtype == pl.Float64 and _is_rounded(texts, numbers):
                return texts
            return numbers
    return None


def _is_rounded(texts: pl.Series, numbers: pl.Series) -> bool:
    """Whether large numbers are written as 1.70657E+12, as spreadsheets round what may have been times or codes."""
    return bool((numbers >= 1e9).any()) and bool(texts.str.contains(r"[eE]\+?[0-9]").any())


def decimal_mark(columns: list[pl.Series], wanted: str | None, label: str) -> str:
    """The decimal mark of a file: what the user said, else what its numbers prove.

    Raises
    ------
    DataError
        The numbers prove both, or have commas that could be either.
    """
    if wanted is not None:
        return wanted
    _refuse_fractions(columns, label)
    proofs = {",": "", ".": ""}
    comma = ""
    for column in columns:
        for mark, pattern in _PROOFS.items():
            if not proofs[mark]:
                proofs[mark] = _first(column, pattern)
        comma = comma or _first(column, ",")
    if proofs[","] and proofs["."]:
        raise DataError(
            f"{label}: {proofs[',']!r} has a decimal comma and {proofs['.']!r} a decimal point; say decimal=',' or "
            "decimal='.'"
        )
    if proofs[","]:
        return ","
    if comma and not proofs["."]:
        raise DataError(
            f"{label}: the comma in {comma!r} may be a decimal comma or separate thousands, and no number of the file "
            "tells; say decimal=',' or decimal='.'"
        )
    return "."


def _refuse_fractions(columns: list[pl.Series], label: str) -> None:
    """Refuse prices such as 110'165, unless the file shows that its apostrophes separate thousands."""
    if any(_first(column, r"['’][0-9]{3}['’.,][0-9]") for column in columns):
        return
    open_ = [column for column in columns if _first(column, r"^[-+]?[0-9]{1,3}['’][0-9]{3}$")]
    # Futures are quoted in 32nds, never volumes: one such column among prices with decimals is a count.
    open_ = [column for column in open_ if not _first(column, r"[.,]")]
    if len(open_) > 1:
        shown = _first(open_[0], "['’]")
        raise DataError(
            f"{label}: {shown!r} may be a number with its thousands apart or a price in 32nds ({shown[:-4]} and "
            f"{shown[-3:-1]}/32), and no number of the file tells; say decimal='.' for thousands, or write "
            "fractions as decimals"
        )


_PROOFS = {
    ",": r"^[^0-9]*(?:0,|[0-9.'’ ]*,(?:[0-9]{1,2}|[0-9]{4,})(?:[^0-9,.]|$)|[0-9]{1,3}\.[0-9]{3}(?:,|\.[0-9]{3}))",
    ".": r"^[^0-9]*(?:0\.|[0-9,'’ ]*\.(?:[0-9]{1,2}|[0-9]{4,})(?:[^0-9,.]|$)|[0-9]{1,3},[0-9]{2,3}(?:\.|,[0-9]{3}))",
}


def _first(column: pl.Series, pattern: str) -> str:
    hits = column.filter(column.str.contains(pattern).fill_null(False)).head(1)
    return str(hits[0]) if len(hits) else ""


def without_words(texts: pl.Series) -> pl.Series:
    """A column without blanks and quotes around its values, null for words that mean missing."""
    import polars as pl

    texts = texts.str.replace_all(r"[\u00a0\u202f\u2009]", " ").str.strip_chars(" \t\r\"'  ")
    missing = texts.is_in(["", *NULL_WORDS]).fill_null(True)
    return pl.select(pl.when(~missing).then(texts)).to_series().rename(texts.name)


def numbers_of(texts: pl.Series, decimal: str) -> pl.Series:
    """Numbers of a column without words; null where a value is no number in this notation.

    Percentages are no numbers here: what they are a part of is not said.
    """
    import polars as pl

    texts = texts.str.replace_all(r"[$€£¥₹]", "").str.replace("^[−]", "-").str.strip_chars()
    suffix = texts.str.extract(r"([KMBTkmbt])$").str.to_lowercase()
    body = texts.str.replace(r"\s*[KMBTkmbt]$", "")
    sign = body.str.extract(r"^([-+])")
    body = body.str.replace(r"^[-+]\s*", "").str.replace_all(r"['’   ]([0-9]{3})", "${1}")
    thousands = "," if decimal == "." else r"\."
    point = r"\." if decimal == "." else ","
    grouped = body.str.contains(_GROUPED.replace("{t}", thousands).replace("{d}", point))
    ungrouped = body.str.contains(_PLAIN.replace("{d}", point))
    digits = body.str.replace_all(thousands, "").str.replace(point, ".")
    kept = pl.select(pl.when(grouped | ungrouped).then(digits)).to_series()
    if suffix.null_count() == len(suffix) and sign.null_count() == len(sign):
        whole = kept.cast(pl.Int64, strict=False)
        if whole.null_count() == kept.null_count():
            return whole.rename(texts.name)
    numbers = kept.cast(pl.Float64, strict=False)
    if suffix.null_count() < len(suffix):
        numbers = numbers * suffix.replace_strict(_FACTORS, default=1.0, return_dtype=pl.Float64).fill_null(
            1.0
        )
    if sign.null_count() < len(sign):
        numbers = pl.select(pl.when(sign == "-").then(-numbers).otherwise(numbers)).to_series()
    return numbers.rename(texts.name)
