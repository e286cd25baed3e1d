"""Chat templates cut into turns, and the Modelfile that sets them again in Go's language."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import small_students
from typer.testing import CliRunner

from grpo import cli
from grpo.export.modelfile import can_quote, modelfile, template
from grpo.export.turns import Turns, UnknownTurns, turns_of

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% for message in messages %}{% set content = '<|head|>' + message['role'] + '<|/head|>\n\n'"
    " + message['content'] | trim + '<|eot|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}{{ '<|user|>' + m['content'] }}"
    "{% else %}{{ '<|assistant|>' + m['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{{ '[' + m['role'] + '] {{x}} ' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant] {{x}} ' }}{% endif %}"
)
MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] + '\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set s = '' %}{% endif %}{{ bos_token }}"
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + (s if loop.last else '') + "
    "m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + '<|end|>' }}{% endif %}{% endfor %}"
)
COUNTED = (
    "{% for m in messages %}{{ loop.index ~ m['role'] ~ m['content'] ~ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant' }}{% endif %}"
)
TEMPLATES = {
    "own": None, "smollm2": SMOLLM2, "llama3": LLAMA3, "r1": R1, "no system": NO_SYSTEM,
}  # fmt: skip
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|eot|>")

CONVERSATIONS = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)


def tokenizer(name: str | None, template_text: str | None = None) -> Any:
    words = small_students.tokenizer()
    words.add_special_tokens({"additional_special_tokens": list(SPECIAL), "bos_token": "<|pad|>"})
    if name == "smollm2":
        words.bos_token = "<|im_start|>"
    text = template_text if name is None else TEMPLATES[name]
    if text is not None:
        words.chat_template = text
    return words


def conversation(roles: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": f"{role}'s {place}. text"} for place, role in enumerate(roles)
    ]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_turns_say_what_the_template_says(name: str) -> None:
    words = tokenizer(name)
    turns = turns_of(words)
    assert turns is not None
    assert (turns.system is None) == (name == "no system")
    for roles in CONVERSATIONS:
        if turns.system is None and "system" in roles:
            continue
        messages = conversation(roles)
        whole = words.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert turns.render(messages) == whole


def test_the_pieces_are_those_a_reader_would_cut() -> None:
    assert turns_of(tokenizer("own")) == Turns(
        begin="", begin_bare="", system=("<|system|>", "<|end|>"), user=("<|user|>", "<|end|>"),
        assistant=("<|assistant|>", "<|end|>"), opening="<|assistant|>", stop="<|end|>",
    )  # fmt: skip
    assert turns_of(tokenizer("smollm2")) == Turns(
        begin="",
        begin_bare="<|im_start|>system\nYou are helpful<|im_end|>\n",
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
        opening="<|im_start|>assistant\n",
        stop="<|im_end|>",
    )
    assert turns_of(tokenizer("r1")) == Turns(
        begin="<|pad|>", begin_bare="<|pad|>", system=("", ""), user=("<|user|>", ""),
        assistant=("<|assistant|>", "<|end|>"), opening="<|assistant|><think>\n", stop="<|end|>",
    )  # fmt: skip


@pytest.mark.parametrize("text", [COUNTED, MISTRAL, "{{ messages[0]['content'] }}"])
def test_a_template_that_is_more_than_texts_is_not_guessed(text: str) -> None:
    with pytest.raises(UnknownTurns, match="the chat template"):
        turns_of(tokenizer(None, text))


def test_a_template_that_refuses_everything_says_why() -> None:
    with pytest.raises(UnknownTurns, match=r"refuses a plain conversation \(not today\)"):
        turns_of(tokenizer(None, "{{ raise_exception('not today') }}"))


def test_without_a_template_there_are_no_turns() -> None:
    words = tokenizer("own")
    for held in (None, {"tool_use": COUNTED}):
        words.chat_template = held
        assert turns_of(words) is None


def test_the_modelfile_of_our_own_tokenizer() -> None:
    turns = turns_of(tokenizer("own"))
    told = modelfile("m-f16.gguf", turns, system="Think first.", prefill="<think>")
    assert told == (
        "FROM ./m-f16.gguf\n"
        'TEMPLATE """{{ range $i, $_ := .Messages }}'
        "{{ $last := eq (len (slice $.Messages $i)) 1 }}"
        '{{ if eq .Role "system" }}<|system|>{{ .Content }}<|end|>{{ end }}'
        '{{ if eq .Role "user" }}<|user|>{{ .Content }}<|end|>{{ end }}'
        '{{ if eq .Role "assistant" }}<|assistant|>{{ .Content }}{{ if not $last }}<|end|>{{ end }}'
        '{{ else if $last }}<|assistant|><think>{{ end }}{{ end }}"""\n'
        'SYSTEM """Think first."""\n'
        'PARAMETER stop "<|end|>"\n'
        "PARAMETER temperature 0.6\n"
        "PARAMETER top_p 0.95\n"
    )


def test_a_begin_token_that_the_tokenizer_sets_is_not_set_twice() -> None:
    turns = turns_of(tokenizer("llama3"))
    assert turns is not None
    assert template(turns, "", "").startswith("<|pad|>{{ range")
    assert template(turns, "", "<|pad|>").startswith("{{ range")


def test_three_quotes_cannot_stand_in_a_modelfile() -> None:
    turns = turns_of(tokenizer("own"))
    assert turns is not None
    assert can_quote(turns, 'Say "yes".', "")
    assert not can_quote(turns, 'Say """yes""".', "")
    assert not can_quote(turns, None, '"""')


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_go_says_what_the_template_says(tmp_path: Path) -> None:
    asked, expected = [], []
    for name in TEMPLATES:
        words = tokenizer(name)
        turns = turns_of(words)
        assert turns is not None
        for roles in CONVERSATIONS:
            if turns.system or "system" not in roles:
                messages = conversation(roles)
                asked.append({"Template": template(turns, "<go>", ""), "Messages": messages})
                whole = words.apply_chat_template(
                    messages, tokenize=False, add_generation_prompt=True
                )
                expected.append(whole + "<go>")
        # An answer that was begun is gone on with.
        begun = conversation(("user", "assistant"))
        asked.append({"Template": template(turns, "", ""), "Messages": begun})
        whole = words.apply_chat_template(begun, tokenize=False)
        expected.append(whole.removesuffix(turns.assistant[1]))
    assert executed(asked, tmp_path) == expected


GO = """
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct{ Role, Content string }

func main() {
	var asked []struct {
		Template string
		Messages []*Message
	}
	json.NewDecoder(os.Stdin).Decode(&asked)
	texts := []string{}
	for _, one := range asked {
		var text strings.Builder
		parsed := template.Must(template.New("").Parse(one.Template))
		if err := parsed.Execute(&text, map[string]any{"Messages": one.Messages}); err != nil {
			panic(err)
		}
		texts = append(texts, text.String())
	}
	json.NewEncoder(os.Stdout).Encode(texts)
}
"""


def executed(asked: list[dict[str, Any]], folder: Path) -> list[str]:
    """The texts of templates over .Messages, by Go's own text/template, as Ollama runs them."""
    (folder / "main.go").write_text(GO)
    done = subprocess.run(
        ["go", "run", "main.go"],
        input=json.dumps(asked),
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=True,
    )
    texts: list[str] = json.loads(done.stdout)
    return texts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "the tokenizer has no chat template"),
        (COUNTED, "the chat template has '1user' where '3user' was to end it"),
    ],
)
def test_a_modelfile_without_template_is_written_and_said(
    tmp_path: Path, text: str | None, why: str
) -> None:
    pytest.importorskip("gguf", reason="the gguf package is absent")
    words = small_students.tokenizer()
    words.chat_template = text
    small_students.save_student(tmp_path / "m", words)
    out = tmp_path / "m.gguf"
    result = CliRunner().invoke(
        cli.app, ["export", str(tmp_path / "m"), "--to", "gguf", "--out", str(out)]
    )
    assert result.exit_code == 0
    assert f"The Modelfile has no TEMPLATE: {why}." in result.stdout
    told = (tmp_path / "m.Modelfile").read_text()
    assert told == "FROM ./m.gguf\nPARAMETER temperature 0.6\nPARAMETER top_p 0.95\n"
