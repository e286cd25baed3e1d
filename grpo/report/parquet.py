"""Parquet files read leniently: columns that are absent are left out, broken files are None."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet


def read_columns(path: Path, names: Sequence[str]) -> pyarrow.Table | None:
    """Those of the columns `names` that `path` has, in that order; None if it cannot be read."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return file.read(columns=[name for name in names if name in file.schema_arrow.names])
    except (OSError, pyarrow.ArrowException):
        return None


def column_names(path: Path) -> list[str]:
    """The columns of `path`; none if it cannot be read."""
    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (OSError, pyarrow.ArrowException):
        return []


def row_count(path: Path) -> int:
    """The rows of `path`, from its footer alone; 0 if it cannot be read."""
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (OSError, pyarrow.ArrowException):
        return 0
