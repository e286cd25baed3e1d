"""The verb `audit`: what it prints, what it writes, and its exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grpo import cli

MINE = """
def anywhere(completions, answer, **columns):
    return [float(gold in text) for text, gold in zip(completions, answer)]

def right(completions, answer, **columns):
    rows = zip(completions, answer)
    return [float(says(text, gold)) for text, gold in rows]

def says(text, gold):
    return text.count("<answer>") == 1 and text.endswith(f"<answer>{gold}</answer>")
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return "mine.py"


def grpo(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["audit", *words], env={"COLUMNS": "80"})


def test_a_sound_reward_exits_with_0() -> None:
    result = grpo("format", "variant=think", "--problems", "5")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-1] == "format: sound"
    assert max(map(len, lines)) <= 80
    assert "false accepts  0 of 75" in lines  # 15 breaks that the layout has, 5 questions each


@pytest.mark.slow
def test_a_leak_exits_with_1_and_is_shown(mine: str) -> None:
    out = Path("out/audit.json")
    result = grpo(f"{mine}:anywhere", "--problems", "6", "--json", str(out))
    assert result.exit_code == 1
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stdout.count("\npaid: ") == 3
    assert result.stdout.splitlines()[-1].startswith("mine.py:anywhere: leaks: ")
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["verdict"].startswith("leaks: ")
    kinds = {kind["kind"]: kind for kind in written["kinds"]}
    assert (kinds["gold"]["cases"], kinds["gold"]["paid"]) == (6, 6)
    assert (kinds["wrong"]["cases"], kinds["wrong"]["paid"]) == (6, 0)
    assert kinds["counted past"]["examples"][0]["value"] == 1.0


@pytest.mark.slow
def test_columns_of_a_data_file_are_named(mine: str) -> None:
    Path("data.jsonl").write_text('{"asked": "3 + 4?", "worked": "3 + 4 = 7 #### 7"}\n')
    words = ["--data", "data.jsonl", "--question", "asked", "--answer", "worked"]
    result = grpo(f"{mine}:right", *words, "--answer-after", "####")
    assert result.exit_code == 0, result.stdout
    assert "false rejects  0 of 1" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["formt"], "unknown reward 'formt': did you mean 'format'?"),
        (["format", "varient=think"], "unknown knob 'varient': did you mean 'variant'?"),
        (["format", "think"], "knob 'think': write it as name=value"),
        (["soft_overlong"], "reward 'soft_overlong': needs the knob 'max_tokens'"),
        (
            ["format", "--judges", "layuot"],
            "--judges 'layuot' is not known, did you mean 'layout'?",
        ),
        (["format", "--data", "none.jsonl"], "no file none.jsonl"),
        (["none.py:f"], "reward 'none.py:f': there is no file"),
    ],
)
def test_bad_input_exits_with_2_and_one_sentence(words: list[str], sentence: str) -> None:
    result = grpo(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
