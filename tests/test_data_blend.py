"""Several parts in one order: shares by hand, every row once a pass, the same from anywhere."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_data.blend import Blend, Part


def part(name: str, count: int, share: float | None = None, first: int = 0) -> Part[str]:
    return Part([f"{name}{n}" for n in range(count)], share, first)


def names(blend: Blend[str], steps: int, size: int) -> list[str]:
    """The parts' names of each batch, a letter a row."""
    return ["".join(row[0] for row in blend.batch(step, size)) for step in range(steps)]


def test_a_share_comes_at_its_step_and_is_spread_over_the_batch() -> None:
    # From step 2 on a row adds 3/4 to what a is owed and 1/4 to b, and takes 1 from who is owed
    # most: a (3/4), b (of 1/2 and 1/2 the later name), a (5/4), a (1), and both are owed nothing.
    blend = Blend({"a": part("a", 9), "b": part("b", 9, share=0.25, first=2)}, seed=0)
    assert names(blend, 4, 4) == ["aaaa", "aaaa", "abaa", "abaa"]


def test_a_share_that_is_no_whole_number_of_rows_holds_over_the_steps() -> None:
    # The same abaa without end, cut after every sixth row.
    blend = Blend({"a": part("a", 9), "b": part("b", 9, share=0.25)}, seed=0)
    assert names(blend, 4, 6) == ["abaaab", "aaabaa", "abaaab", "aaabaa"]
    # A tenth is a tenth, which no binary fraction is.
    tenths = Blend({"a": part("a", 9), "b": part("b", 9, share=0.1)}, seed=0)
    assert [name.count("b") for name in names(tenths, 300, 10)] == [1] * 300


def test_parts_without_a_share_have_the_rest_by_their_rows() -> None:
    # Of 16 rows x has half; of the other 8 y has 30 / 40 and z 10 / 40.
    blend = Blend({"x": part("x", 5, share=0.5), "y": part("y", 30), "z": part("z", 10)}, seed=0)
    assert [Counter(batch) for batch in names(blend, 3, 16)] == [{"x": 8, "y": 6, "z": 2}] * 3


def test_shares_alone_are_scaled_to_fill_the_batch() -> None:
    # x alone has all; 0.3 and 0.1 are 3/4 and 1/4 of 8.
    blend = Blend({"x": part("x", 9, share=0.3), "y": part("y", 9, share=0.1, first=1)}, seed=0)
    assert [Counter(batch) for batch in names(blend, 2, 8)] == [{"x": 8}, {"x": 6, "y": 2}]


def test_the_order_is_pinned() -> None:
    # A change here would make every interrupted run go on with other problems.
    blend = Blend({"a": part("a", 5), "b": part("b", 3, share=0.5, first=1)}, seed=1)
    assert [blend.batch(step, 4) for step in range(4)] == [
        ["a2", "a0", "a4", "a1"],
        ["b2", "a3", "b0", "a1"],
        ["b1", "a4", "b2", "a2"],
        ["b1", "a0", "b0", "a3"],
    ]


def test_the_order_of_the_parts_is_nothing() -> None:
    parts = {"a": part("a", 7), "b": part("b", 5, share=0.5), "c": part("c", 7)}
    turned = dict(reversed(parts.items()))
    ours, theirs = Blend(parts, 3), Blend(turned, 3)
    assert [ours.batch(step, 5) for step in range(20)] == [theirs.batch(s, 5) for s in range(20)]


SHARES = st.sampled_from([None, 0.05, 0.1, 0.25, 1 / 3])
PARTS = st.tuples(st.integers(1, 12), SHARES, st.integers(0, 6))


@given(lines=st.lists(PARTS, min_size=1, max_size=3), size=st.integers(1, 14))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_passes_batches_and_shares(lines, size):
    lines = [(lines[0][0], lines[0][1], 0), *lines[1:]]
    parts = {name: part(name, *line) for name, line in zip("abc", lines, strict=False)}
    blend = Blend(parts, seed=5)
    batches = [blend.batch(step, size) for step in range(30)]
    for step, batch in enumerate(batches):
        assert len(batch) == size
        for row, times in Counter(batch).items():
            # Twice only where the batch takes more of a part than there is.
            taken = sum(other[0] == row[0] for other in batch)
            assert times == 1 or taken > len(parts[row[0]].rows)
            assert parts[row[0]].first <= step
    for name, one in parts.items():
        drawn = [row for batch in batches for row in batch if row[0] == name]
        for begin in range(0, len(drawn) - len(one.rows) + 1, len(one.rows)):
            assert sorted(drawn[begin : begin + len(one.rows)]) == sorted(one.rows)
        if one.share is not None and any(other.share is None for other in parts.values()):
            opened = max(one.first, min(o.first for o in parts.values() if o.share is None))
            owed = one.share * size * (30 - opened)
            taken = sum(row[0] == name for batch in batches[opened:] for row in batch)
            assert abs(taken - owed) < 3


@given(visits=st.lists(st.integers(0, 30), min_size=1, max_size=6), size=st.integers(1, 9))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_a_step_is_the_same_wherever_one_comes_from(visits, size):
    parts = {"a": part("a", 7), "b": part("b", 5, share=0.3, first=4)}
    walked, jumping = Blend(parts, 7), Blend(parts, 7)
    straight = [walked.batch(step, size) for step in range(31)]
    jumping.batch(3, 2)  # another size leaves no trace
    assert [jumping.batch(step, size) for step in visits] == [straight[step] for step in visits]


def test_seeds_and_parts_of_one_size_differ() -> None:
    def order(seed: int) -> list[str]:
        return Blend({"a": part("a", 20, 0.5), "b": part("b", 20, 0.5)}, seed).batch(0, 40)

    assert order(0) != order(1)
    a, b = ([row[1:] for row in order(0) if row[0] == name] for name in "ab")
    assert sorted(a) == sorted(b) and a != b


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"a": part("a", 2), "b": part("b", 0)}, "rows in every part, got none in b"),
        ({"a": part("a", 2, first=1)}, "a part that comes at step 0"),
        ({"a": part("a", 2, 0.7), "b": part("b", 2, 0.4)}, "1 at most in sum, got 1.1"),
    ],
)
def test_what_cannot_be_blended_is_one_sentence(parts: dict[str, Part[str]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Blend(parts, 0)
    with pytest.raises(ValueError, match="step >= 0 and size >= 1, got -1 and 4"):
        Blend({"a": part("a", 2)}, 0).batch(-1, 4)
