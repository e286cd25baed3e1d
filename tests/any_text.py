"""Any string a model might write, and many that none would: hypothesis strategies for rewards."""

from hypothesis import settings
from hypothesis import strategies as st

PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "<Answer>", "\uff1cthink\uff1e", "\\boxed{",
    "{", "}", "\\", "$", "$$", "\\(", "\\)", "\\[", "`", "```", "\\begin{align}", "\\text{", "_{",
    "7", "\uff17", "1/2", "-", "=", "two words", "word", "don't", "先算", "三", "これは", "ไทย",
    "привет", "e\u0301", "\u0301\u0323", "\u200b", "\u202e", "\x00", "\ud800", "\n", " ", "😀", "#",
]  # fmt: skip

_pieces = st.sampled_from(PIECES)
any_text = st.one_of(
    st.text(),
    st.lists(_pieces, max_size=40).map("".join),
    st.lists(st.one_of(_pieces, st.text(max_size=5)), max_size=20).map("".join),
)

quickly = settings(max_examples=200, deadline=None, derandomize=True, database=None)
"""The same examples in every run, none of them timed: a busy machine fails no test."""
