"""The strict reader: YAML 1.2's scalars, lines, and refusal of what is written twice."""

from typing import Any

import pytest

from grpo.recipe.strict_yaml import BadYaml, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("3E+2", 300.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-7", -7),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2024-01-02", "2024-01-02"),
        (".inf", ".inf"),
        ("'1e-5'", "1e-5"),
        ("!!str 10", "10"),
        ("[1, a]", [1, "a"]),
        ("{a: {b: []}}", {"a": {"b": []}}),
    ],
)
def test_scalars_are_read_as_yaml_1_2_reads_them(text: str, value: Any) -> None:
    read = parse(text).tree
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_item_has_its_line() -> None:
    document = parse("# a comment\na: 1\nb:\n  - c: 2\n    d: 3\n  - 4\n")
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 0, "c"): 4,
        ("b", 0, "d"): 5,
        ("b", 1): 6,
    }


def test_an_alias_stands_for_its_anchor() -> None:
    assert parse("a: &x {b: 1}\nc: *x\n").tree == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is written twice, first on line 1"),
        ("x:\n  a: 1\n  a: 1\n", 3, "written twice, first on line 2"),
        ("a: 1\n  b: 2\n", 2, "not valid YAML"),
        ("a:\n\tb: 1\n", 2, "not valid YAML"),
        ("a: 1\nb: \x07\n", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("a: &x\n  b: *x\n", 1, "an anchor that holds itself"),
        ("? [a]\n: 1\n", 1, "a key must be text"),
        ("a: 1\nb: !!python/name:os.system\n", 2, "is not allowed"),
        ("a: !!set {b}\n", 1, "is not allowed"),
        ("a: !!int x\n", 1, "'x' is not a YAML int"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(BadYaml, match=words) as caught:
        parse(text)
    assert caught.value.line == line
