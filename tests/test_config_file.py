"""A checkpoint's config.json that cannot be read is one sentence."""

from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.model.config_file import read_config


@pytest.mark.parametrize(
    ("text", "sentence"), [("no model", "config.json is broken: "), ("[1]", "it holds '\\[1\\]'")]
)
def test_a_broken_config_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_config(tmp_path)


def test_a_whole_one_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert read_config(tmp_path) == {"model_type": "llama"}
