"""Figures and tables as bytes."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any


def figure_bytes(figure: Any, artifact_file: str) -> tuple[str, bytes]:
    """The file name that fits a figure, and its content; the ending of the wanted name chooses the format.

    A Matplotlib figure, a Plotly figure (as HTML, or as an image where the name asks for one and an image engine is
    installed), a Pillow image, or finished bytes; anything else is a TypeError.
    """
    suffix = PurePosixPath(artifact_file).suffix.lower()
    kind, buffer = suffix[1:] or "png", io.BytesIO()
    if isinstance(figure, (bytes, bytearray, memoryview)):
        buffer.write(figure)
    elif hasattr(figure, "savefig"):
        figure.savefig(buffer, format=kind)
    elif hasattr(figure, "to_html"):
        return _plotly(figure, artifact_file, suffix)
    elif hasattr(figure, "save") and hasattr(figure, "tobytes"):
        figure.save(buffer, format=kind.replace("jpg", "jpeg"))
    else:
        raise TypeError(
            "log_figure: expected a Matplotlib or Plotly figure, a Pillow image or PNG bytes, "
            f"got {type(figure).__name__}"
        )
    return (artifact_file if suffix else f"{artifact_file}.png"), buffer.getvalue()


def _plotly(figure: Any, artifact_file: str, suffix: str) -> tuple[str, bytes]:
    if suffix not in ("", ".html"):
        try:
            return artifact_file, figure.to_image(format=suffix[1:])
        except Exception:  # no image engine: the interactive page says the same
            artifact_file = str(PurePosixPath(artifact_file).with_suffix(".html"))
    name = artifact_file if artifact_file.endswith(".html") else f"{artifact_file}.html"
    return name, str(figure.to_html(include_plotlyjs="cdn", auto_play=False)).encode()


def polars_frame(table: Any) -> Any:
    """Any data frame, a dict of columns or a list of dicts as ``polars.DataFrame``; a TypeError for anything else."""
    import polars as pl

    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, (dict, list)):
        return pl.DataFrame(table)
    import narwhals as nw

    try:
        return nw.from_native(table, eager_only=True).to_polars()
    except TypeError as error:
        raise TypeError(
            f"expected a data frame, a dict of columns or a list of dicts, got {type(table).__name__}"
        ) from error


def table_bytes(table: Any, artifact_file: str) -> tuple[str, bytes]:
    """Name and content of a table's file: Parquet, JSON (a list of records) or CSV by the ending of the name."""
    frame = polars_frame(table)
    if not PurePosixPath(artifact_file).suffix:
        artifact_file += ".parquet"
    forms = {".parquet": frame.write_parquet, ".json": frame.write_json, ".csv": frame.write_csv}
    write = forms.get(PurePosixPath(artifact_file).suffix.lower())
    if write is None:
        raise ValueError(
            f"log_table: expected a name ending in .parquet, .json or .csv, got {artifact_file!r}"
        )
    buffer = io.BytesIO()
    write(buffer)
    return artifact_file, buffer.getvalue()
