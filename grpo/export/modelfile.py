"""The Modelfile that `ollama create` reads: the GGUF file, how to talk to it, how to sample.

TEMPLATE is Go's language. Only loops and comparisons of roles are used, no trimming of blanks:
what stands between the braces is what the model was trained on.
"""

from grpo.export.turns import Turns

TEMPERATURE, TOP_P = 0.6, 0.95
"""DeepSeek-R1's own advice."""

_QUOTES = '"""'


def modelfile(
    gguf: str, turns: Turns | None, *, system: str | None = None, prefill: str = "", bos: str = ""
) -> str:
    """The Modelfile for the file `gguf` beside it; without `turns` it has no TEMPLATE.

    `system` and `prefill` are how the model was asked in training. `bos` is the begin token where
    the tokenizer puts it before every text: the template must not put it a second time.
    """
    lines = [f"FROM ./{gguf}"]
    if turns:
        lines += [f"TEMPLATE {_QUOTES}{template(turns, prefill, bos)}{_QUOTES}"]
        if system and turns.system:
            lines += [f"SYSTEM {_QUOTES}{system}{_QUOTES}"]
        lines += [f'PARAMETER stop "{turns.stop}"']
    lines += [f"PARAMETER temperature {TEMPERATURE}", f"PARAMETER top_p {TOP_P}"]
    return "\n".join(lines) + "\n"


def can_quote(turns: Turns, system: str | None, prefill: str) -> bool:
    """Whether the texts can stand in a Modelfile, which has no way to write three quotes."""
    return _QUOTES not in template(turns, prefill, "") + (system or "")


def template(turns: Turns, prefill: str, bos: str) -> str:
    """`turns` in Go's language, over Ollama's .Messages; the answer begins with `prefill`."""
    before, after = map(_plain, turns.assistant)
    return (
        f"{_begin(turns.begin.removeprefix(bos), turns.begin_bare.removeprefix(bos))}"
        "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}"
        f"{_turns(turns)}"
        f'{{{{ if eq .Role "assistant" }}}}{before}{{{{ .Content }}}}'
        f"{{{{ if not $last }}}}{after}{{{{ end }}}}"
        f"{{{{ else if $last }}}}{_plain(turns.opening + prefill)}{{{{ end }}}}{{{{ end }}}}"
    )


def _begin(begin: str, bare: str) -> str:
    if begin == bare:
        return _plain(begin)
    other = f"{_plain(begin)}{{{{ else }}}}" if begin else ""
    test = "eq" if begin else "ne"
    return (
        f'{{{{ if {test} (index .Messages 0).Role "system" }}}}{other}{_plain(bare)}{{{{ end }}}}'
    )


def _turns(turns: Turns) -> str:
    """System and user turns; a system text is dropped where the model takes none."""
    known = {"system": turns.system, "user": turns.user}
    return "".join(
        f'{{{{ if eq .Role "{role}" }}}}{_plain(around[0])}{{{{ .Content }}}}'
        f"{_plain(around[1])}{{{{ end }}}}"
        for role, around in known.items()
        if around
    )


def _plain(text: str) -> str:
    """`text` as Go prints it, its own braces included."""
    return text.replace("{{", '{{ "{{" }}')
