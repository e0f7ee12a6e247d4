"""Figures and tables as bytes."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any


def figure_bytes(figure: Any, artifact_file: str) -> tuple[str, bytes]:
    """A figure as file content, and the file name that fits it.

    Parameters
    ----------
    figure
        A Matplotlib figure, a Plotly figure (as HTML, or as an image where the name asks for one and an image
        engine is installed), a Pillow image, or finished bytes.
    artifact_file
        Wanted name; its ending chooses the format.

    Raises
    ------
    TypeError
        Nothing that can be drawn.
    """
    if isinstance(figure, (bytes, bytearray, memoryview)):
        data = bytes(figure)
        return (artifact_file if PurePosixPath(artifact_file).suffix else f"{artifact_file}.png"), data
    suffix = PurePosixPath(artifact_file).suffix.lower()
    if hasattr(figure, "savefig"):
        kind = suffix[1:] or "png"
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind)
        return (artifact_file if suffix else f"{artifact_file}.png"), buffer.getvalue()
    if hasattr(figure, "to_html"):
        return _plotly(figure, artifact_file, suffix)
    if hasattr(figure, "save") and hasattr(figure, "tobytes"):
        buffer = io.BytesIO()
        figure.save(buffer, format=(suffix[1:] or "png").replace("jpg", "jpeg"))
        return (artifact_file if suffix else f"{artifact_file}.png"), buffer.getvalue()
    raise TypeError(
        "log_figure: expected a Matplotlib or Plotly figure, a Pillow image or PNG bytes, "
        f"got {type(figure).__name__}"
    )


def _plotly(figure: Any, artifact_file: str, suffix: str) -> tuple[str, bytes]:
    if suffix not in ("", ".html"):
        try:
            return artifact_file, figure.to_image(format=suffix[1:])
        except Exception:  # no image engine: the interactive page says the same
            artifact_file = str(PurePosixPath(artifact_file).with_suffix(".html"))
    name = artifact_file if artifact_file.endswith(".html") else f"{artifact_file}.html"
    return name, str(figure.to_html(include_plotlyjs="cdn", auto_play=False)).encode()


def polars_frame(table: Any) -> Any:
    """Any data frame, a dict of columns or a list of dicts as ``polars.DataFrame``.

    Raises
    ------
    TypeError
        Not a table.
    """
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
    """A table as file content: Parquet, JSON (a list of records) or CSV by the ending of the name.

    Raises
    ------
    TypeError
        Not a table.
    ValueError
        Another ending.
    """
    frame = polars_frame(table)
    suffix = PurePosixPath(artifact_file).suffix.lower()
    if suffix == "":
        artifact_file, suffix = f"{artifact_file}.parquet", ".parquet"
    buffer = io.BytesIO()
    if suffix == ".parquet":
        frame.write_parquet(buffer)
    elif suffix == ".json":
        frame.write_json(buffer)
    elif suffix == ".csv":
        frame.write_csv(buffer)
    else:
        raise ValueError(
            f"log_table: expected a name ending in .parquet, .json or .csv, got {artifact_file!r}"
        )
    return artifact_file, buffer.getvalue()
