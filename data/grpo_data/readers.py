"""Rows out of a file, a folder or a hub data set, each with the place it stands at.

What a row means is left to `grpo_data.sources`. JSONL and JSON are read by a few lines of our own,
because only then can a broken line be named; all other formats are pyarrow's or `datasets`' work.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from grpo_data.hub import brief_hub

Row = Mapping[str, Any]
Placed = tuple[str, Row]
"""Where a row stands, and the row: ("mawps.jsonl:7", {"id": "singleop-6", "question": ...})."""


def rows(
    source: str,
    *,
    text_columns: Iterable[str],
    split: str,
    subset: str | None,
    revision: str | None,
) -> Iterator[Placed]:
    """The rows of `source` in order: of a file, else a folder, else a hub data set.

    `text_columns` keep their characters where a format would guess a type ("007" in a CSV).
    `split`, `subset` and `revision` speak to folders and the hub; a file has one split.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _file_rows(path, tuple(text_columns))
    if not path.is_dir() and _looks_like_a_path(source):
        raise FileNotFoundError(_no_such_file(path))
    return _dataset_rows(str(path) if path.is_dir() else source, split, subset, revision)


def _looks_like_a_path(source: str) -> bool:
    """A hub name is `name` or `owner/name`, without a data file's ending."""
    ending = Path(source).suffix.lower() in READERS
    return ending or source.startswith((".", "/", "~")) or source.count("/") > 1


def _no_such_file(path: Path) -> str:
    """The sentence for a file that is not there, with the nearest one that is."""
    folder = path.parent
    if not folder.is_dir():
        return f"no file {path}: the folder {folder} does not exist (seen from {Path.cwd()})."
    near = difflib.get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1)
    hint = f"; the nearest there is {near[0]!r}" if near else ""
    return f"no file {path} (seen from {Path.cwd()}){hint}."


def _file_rows(path: Path, text_columns: tuple[str, ...]) -> Iterator[Placed]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path} ends in {path.suffix!r}; a data file ends in {_endings()}.")
    return reader(path, text_columns)


def _jsonl(path: Path, _: tuple[str, ...]) -> Iterator[Placed]:
    # Bytes, so that a line with a wrong encoding is named as well.
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{path}:{number}"
                yield where, _object(_parsed(line, where), where)


def _parsed(line: bytes, where: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}: not valid JSON ({error.msg}, column {error.colno}): {_excerpt(line)}"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not UTF-8 (byte {error.start + 1} of the line).") from error


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _object(value: object, where: str) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: holds a {type(value).__name__}, not an object of columns.")
    return value


def _json(path: Path, text_columns: tuple[str, ...]) -> Iterator[Placed]:
    """A list of objects; or lines of objects, which many files with this ending hold."""
    content = path.read_bytes()
    if not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        yield from _jsonl(path, text_columns)
        return
    try:
        values = json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not valid JSON ({error.msg}).") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 (byte {error.start + 1}).") from error
    for number, value in enumerate(values):
        where = _row_of(path, number)
        yield where, _object(value, where)


def _parquet(path: Path, _: tuple[str, ...]) -> Iterator[Placed]:
    import pyarrow
    import pyarrow.parquet

    try:
        # `read_table` would add a column for every folder on the way called like `lang=zh`.
        file = pyarrow.parquet.ParquetFile(path)
        groups = (file.read_row_group(n) for n in range(file.num_row_groups))
        numbered = enumerate(row for group in groups for row in group.to_pylist())
        for number, row in numbered:
            yield _row_of(path, number), row
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: not a readable Parquet file ({_reason(error)}).") from error


def _csv(path: Path, text_columns: tuple[str, ...]) -> Iterator[Placed]:
    import pyarrow
    from pyarrow import csv

    # One block: pyarrow settles a column's type on the first block and fails where a later differs.
    read = csv.ReadOptions(block_size=min(path.stat().st_size + 1, 2**31 - 1))
    convert = csv.ConvertOptions(column_types=dict.fromkeys(text_columns, pyarrow.string()))
    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        table = csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: not a readable CSV file ({_reason(error)}).") from error
    for number, row in enumerate(table.to_pylist()):
        yield _row_of(path, number), row


def _dataset_rows(
    source: str, split: str, subset: str | None, revision: str | None
) -> Iterator[Placed]:
    import datasets

    local = Path(source).is_dir()
    hub, fault = nullcontext("") if local else brief_hub(datasets.config), ""
    try:
        with hub as fault:
            found = datasets.load_dataset(source, name=subset, split=split, revision=revision)
    except (datasets.exceptions.DatasetsError, ValueError, OSError, RuntimeError) as error:
        missing = isinstance(error, datasets.exceptions.DatasetNotFoundError)
        if fault:
            why = f"{fault}, and its cache here has no copy; name a file ({_endings()}) or a folder"
        else:
            # Below "doesn't exist on the Hub" lies no more than the web server's 404.
            why = _first_line(error) if missing else _reason(error)
        what = f"folder {source!r}" if local else f"{source!r}, no file or folder in {Path.cwd()},"
        raise (FileNotFoundError if missing else ValueError)(
            f"{what} could not be loaded as a data set (split {split!r}, subset {subset!r}): {why}."
        ) from error
    for number, row in enumerate(found):
        yield _row_of(source, number), row


def _row_of(source: object, number: int) -> str:
    return f"{source} row {number} (from 0)"


def _reason(error: BaseException) -> str:
    """The first line of what went wrong first, below the wrappers a library puts around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


READERS: dict[str, Callable[[Path, tuple[str, ...]], Iterator[Placed]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".csv": _csv,
}
"""How a file is read, by its ending."""


def _endings() -> str:
    return ", ".join(READERS)
