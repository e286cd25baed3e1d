"""A measured table goes into its own place of a document, and nothing else changes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "scaling_tables.py"
spec = importlib.util.spec_from_file_location("scaling_tables", SCRIPT)
assert spec is not None and spec.loader is not None
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)

DOCUMENT = """\
# Base
<!-- routing -->
old
<!-- end routing -->
between
<!-- balance -->
<!-- end balance -->
<!-- search -->
x
<!-- end -->
"""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("routing", "old\n", "\n| \\1 |\n\n"),
        ("balance", "<!-- balance -->\n", "<!-- balance -->\n\n| \\1 |\n\n"),
        ("search", "x\n", "\n| \\1 |\n\n"),
    ],
)
def test_a_table_takes_the_place_of_the_one_before(name: str, before: str, after: str) -> None:
    assert tables.placed(DOCUMENT, name, r"| \1 |") == DOCUMENT.replace(before, after)


def test_a_document_without_the_place_is_told() -> None:
    with pytest.raises(SystemExit, match="no place <!-- mtp -->"):
        tables.placed(DOCUMENT, "mtp", "")
