"""docs/rewards.md, block by block: what it shows is what happens."""

import doctest
import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grpo import cli
from grpo_rewards.knobs import knobs_of
from grpo_rewards.table import TABLE, find

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[1] / "docs/rewards.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
RECIPE = """
name: small
model: {path: tiny-base}
data: {path: "tiny:all"}
stages: [{kind: rl, name: zero, steps: 3, sampling: {max_tokens: 64}}]
"""


def test_every_block_of_the_page_runs_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for kind, text in BLOCKS:
        if kind == "python":
            _into_file(text)
        elif kind == "yaml":
            head = RECIPE.partition("stages:")[0] if text.startswith("stages:") else RECIPE
            Path("recipe.yaml").write_text(head + text)
            _command("grpo check recipe.yaml")
        elif kind == "sh":
            _command(text)
        else:
            assert kind == "pycon"
            _session(text, names)
    assert {kind for kind, _ in BLOCKS} == {"python", "yaml", "sh", "pycon"}


def _into_file(text: str) -> None:
    """Add a block to the file it names in its first line."""
    named, _, code = text.partition("\n")
    path = Path(named.removeprefix("# "))
    assert path.suffix == ".py"
    compile(code, str(path), "exec")
    path.write_text((path.read_text() if path.exists() else "") + code)


def _command(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "grpo"
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output


def _session(text: str, names: dict[str, object]) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, "rewards.md", "rewards.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)
    names.update(test.globs)


def test_twenty_lines_lead_to_a_reward_of_one_s_own() -> None:
    first = TEXT.index("grpo check recipe.yaml")
    assert TEXT[:first].count("\n") <= 20


@pytest.mark.parametrize("name", TABLE)
def test_every_reward_has_a_row_with_its_knobs(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \| .* \|(.*)\|$", TEXT, re.MULTILINE)
    target = find(name)
    factory = getattr(importlib.import_module(target.place), target.attribute)
    assert re.findall(r"`(\w+)`", row) == knobs_of(factory)
    assert inspect.getdoc(factory)
