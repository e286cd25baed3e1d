"""The model card: what a checkpoint is, how it was made and what it scored, from files alone.

Nothing is claimed that no file says: a part of which nothing is known is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from huggingface_hub import ModelCardData

from grpo.export.history import Measured, stages_behind
from grpo.export.origin import Origin
from grpo.report.scores import interval, percent

RECIPE = "recipe.yaml"
_ALGORITHMS = {"rl": "grpo"}
_VERDICTS = {
    "strict": "strict: right, and in the form asked for",
    "lenient": "lenient: right, whatever the form",
    "format": "in the form asked for",
    "accuracy_given_format": "right, among those in the form",
}


def card(
    origin: Origin, config: Mapping[str, Any], weights: int, scores: Sequence[Measured]
) -> str:
    """README.md of the checkpoint; `weights` is how many numbers its files hold."""
    parts = [
        f"---\n{_front(origin).to_yaml()}\n---\n",
        f"# {origin.name}\n",
        _about(origin, config, weights),
        *_asked(origin.asked),
        *_history(origin),
        *_scores(scores),
        *_reproduce(origin),
    ]
    return "\n".join(parts)


def _front(origin: Origin) -> ModelCardData:
    kinds = [str(stage.get("kind")) for stage in stages_behind(origin).values()]
    base = origin.base_on_hub
    return ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        license=origin.licence(),
        base_model=base,
        base_model_relation="finetune" if base else None,
        tags=["grpo-reasoning", *(_ALGORITHMS[kind] for kind in kinds if kind in _ALGORITHMS)],
    )


def _about(origin: Origin, config: Mapping[str, Any], weights: int) -> str:
    names = config.get("architectures") or ["A model"]
    text = f"{names[0]} with {weights / 1e6:,.1f} million weights"
    if origin.run and origin.stage:
        text += f", from stage `{origin.stage}` (step {origin.step}) of the run `{origin.run.name}`"
        text += f" on the base `{origin.base}`" if origin.base else ""
    return f"{text}.\n"


def _asked(prompt: Mapping[str, Any]) -> Iterator[str]:
    """How questions were put in training: asked otherwise, the model may answer otherwise."""
    told = {
        "System text": prompt.get("system"),
        "User's turn": prompt.get("user") if prompt.get("user") != "{question}" else None,
        "The answer begins with": prompt.get("prefill"),
    }
    lines = [f"{name}:\n\n{_fenced(text)}" for name, text in told.items() if text]
    if prompt.get("chat") is False:
        lines.append("Questions were put without the chat template.\n")
    if lines:
        yield "## How it was asked in training\n"
        yield from lines


def _history(origin: Origin) -> Iterator[str]:
    stages = stages_behind(origin)
    if stages:
        rows = [_stage_row(origin, name, stage) for name, stage in stages.items()]
        yield "## How it was made\n"
        yield _table(("stage", "kind", "from", "steps", "time"), rows)
        yield from _taught(origin)


def _taught(origin: Origin) -> Iterator[str]:
    """The recipe's problems and rewards by name."""
    recipe = origin.run.recipe if origin.run else {}
    data, rewards = recipe.get("data"), recipe.get("rewards")
    if isinstance(data, Mapping) and "path" in data:
        yield f"Problems: `{data['path']}`.\n"
    if isinstance(rewards, Mapping) and rewards:
        yield f"Rewards: {', '.join(f'`{name}`' for name in rewards)}.\n"


def _stage_row(origin: Origin, name: str, stage: Mapping[str, Any]) -> tuple[str, ...]:
    parents = list(stage.get("parents") or filter(None, [stage.get("parent")]))
    # Of its own stage the checkpoint may be an earlier step than the last.
    steps = origin.step if name == origin.stage else stage.get("steps")
    is_whole = steps == stage.get("steps") and "seconds" in stage
    time = f"{stage['seconds'] / 60:,.1f} min" if is_whole else ""
    return name, str(stage.get("kind", "")), ", ".join(parents), str(steps or ""), time


def _scores(scores: Sequence[Measured]) -> Iterator[str]:
    if not scores:
        return
    rows = [
        (
            line.policy,
            line.benchmark,
            _VERDICTS.get(line.verdict, line.verdict),
            percent(line.score),
            interval(line.score),
            line.asked,
            "" if line.cut is None else f"{line.cut:.1%}",
        )
        for line in scores
    ]
    heads = ("policy", "benchmark", "measure", "score", "95% interval", "asked", "cut off")
    yield "## Scores\n"
    yield _table(heads, rows)
    yield (
        "Scores are means over all samples, in percent; `asked` is questions x samples a question, "
        "`cut off` the share that ran into the length limit.\n"
    )
    yield "".join(f"- {note}\n" for note in dict.fromkeys(_notes(scores)))


def _notes(scores: Sequence[Measured]) -> Iterator[str]:
    """How each benchmark was sampled, and what may have bent its score."""
    for line in scores:
        about = f"{line.benchmark} ({line.policy})"
        if line.sampling:
            yield f"{about}: {line.sampling}"
        yield from (f"{about}: {warning}" for warning in line.warnings)


def _reproduce(origin: Origin) -> Iterator[str]:
    run = origin.run
    if run is None or not run.recipe_text:
        return
    yield "## How to make it again\n"
    yield f"The recipe lies beside this card, with every knob:\n\n{_fenced(f'grpo run {RECIPE}')}"
    if "seed" in run.recipe:
        yield f"All draws are derived from seed {run.recipe['seed']}.\n"
    versions = run.manifest.get("versions")
    if isinstance(versions, Mapping):
        rows = [(name, str(v)) for name, v in versions.items() if v != "not installed"]
        yield _table(("package", "version"), rows)


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
