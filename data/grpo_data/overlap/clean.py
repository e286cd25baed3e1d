"""A copy of a training set without some of its rows, as JSON lines.

Other formats are left out: every loader reads this one.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path

from grpo_data.overlap.texts import read_texts

ENDING = ".jsonl"


def write_without(
    rows: Collection[int], source: str, to: Path, column: str | None = None, *, split: str = "train"
) -> int:
    """Writes the rows of `source` but those at the positions `rows` to `to`; how many it wrote.

    The file appears whole or not at all. `column` and `split` are as for `read_texts`. Raises
    what `refuse_copy` does.
    """
    refuse_copy(source, to)
    to.parent.mkdir(parents=True, exist_ok=True)
    half = to.with_name(f".tmp-{to.name}-{os.getpid()}")
    kept = 0
    try:
        with half.open("w", encoding="utf-8") as lines:
            for position, text in enumerate(read_texts(source, column, split=split)):
                if position not in rows:
                    lines.write(json.dumps(text.row, ensure_ascii=False, default=str) + "\n")
                    kept += 1
        os.replace(half, to)
    finally:
        half.unlink(missing_ok=True)
    return kept


def refuse_copy(source: str, to: Path) -> None:
    """Raises ValueError where `to` is no .jsonl, or is `source` itself."""
    if to.suffix.lower() != ENDING:
        raise ValueError(f"a clean copy is a {ENDING} file, got {to}; call it {to.stem}{ENDING}.")
    if to.resolve() == Path(source).expanduser().resolve():
        raise ValueError(f"the clean copy would replace {source} itself; give it another name.")
