"""What its MTP draft is worth to a checkpoint: acceptance, and tokens a second with and without.

Asked are held-out problems of the tiny world. With and without are two engines, each started, used
and closed in turn, since a process runs one at a time; within a turn the same requests are drawn
many at once, then few at once. Prompts and starts are not counted in the acceptance, prompts are in
the speeds.

    python benchmarks/base/mtp.py tiny-base runs/tiny-joint/checkpoints/joint/step-000030
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from scaling_tables import placed

from grpo.model.load import base_folder
from grpo.recipe.sections import Model, Prompt, SamplerConfig, Sampling
from grpo.sampler import ACCEPTANCE, Sampler, open_sampler, request_seed
from grpo.threads import use_threads
from grpo.types import Request
from grpo_data.problem import is_held_out
from grpo_data.template import render
from grpo_data.world import problems

HELD_OUT_SHARE = 0.1
"""As in every recipe: these problems no training sees."""

ENGINE = SamplerConfig(max_model_len=320, max_num_seqs=256, kv_cache_gib=0.5)
SAMPLINGS = {
    "temperature 1": Sampling(temperature=1.0, max_tokens=160),
    "temperature 0.6, top-p 0.95": Sampling(temperature=0.6, top_p=0.95, max_tokens=160),
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "base.md"


@dataclass
class Measured:
    """Tokens and seconds of all turns; `accepted` is the last turn's share, None without a draft.

    >>> Measured(tokens=15210, seconds=6.1, accepted=0.81)
    """

    tokens: int = 0
    seconds: float = 0.0
    accepted: float | None = None

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


@dataclass
class Case:
    """One way of drawing from one checkpoint, with the draft and without.

    >>> Case("tiny-base", "temperature 1", at_once=8)
    """

    checkpoint: str
    sampling: str
    at_once: int
    drafted: Measured = field(default_factory=Measured)
    alone: Measured = field(default_factory=Measured)


def main(
    checkpoints: Annotated[list[str], typer.Argument(help="Shipped names, or folders.")],
    questions: Annotated[int, typer.Option(help="Problems asked, a sample each.")] = 256,
    few: Annotated[int, typer.Option(help="Sequences at once, beside all at once.")] = 8,
    turns: int = 2,
    threads: int = 1,
    seed: int = 0,
    into: Annotated[Path, typer.Option(help="The document with the table's place.")] = DOCUMENT,
) -> None:
    """Measure, print the table, put it into the document."""
    use_threads(threads)
    cases = [
        case for name in checkpoints for case in of_checkpoint(name, questions, few, turns, seed)
    ]
    table = "\n".join(lines(cases, questions, turns, threads))
    print(table)
    into.write_text(placed(into.read_text(), "mtp", table))


def of_checkpoint(name: str, questions: int, few: int, turns: int, seed: int) -> list[Case]:
    """Every case of a checkpoint, measured in turns."""
    folder = base_folder(Model(path=name))
    asked = requests(folder, questions, seed)
    cases = [Case(short(name), label, n) for n in (questions, few) for label in SAMPLINGS]
    for _ in range(turns):
        for draft_tokens in (1, 0):
            config = ENGINE.model_copy(update={"draft_tokens": draft_tokens})
            with closing(open_sampler(folder, config)) as sampler:
                sampler.sample(asked[:few], SAMPLINGS[cases[0].sampling])  # the first is slow
                sampler.metrics()
                for case in cases:
                    measure(case.drafted if draft_tokens else case.alone, case, sampler, asked)
    return cases


def measure(taken: Measured, case: Case, sampler: Sampler, asked: Sequence[Request]) -> None:
    """Draw one turn of a case; few at once are drawn for an eighth of the questions."""
    whole = case.at_once == len(asked)
    rounds = 1 if whole else max(1, len(asked) // case.at_once // 8)
    started = time.perf_counter()
    for number in range(rounds):
        part = asked[number * case.at_once :][: case.at_once]
        drawn = sampler.sample(part, SAMPLINGS[case.sampling])
        taken.tokens += sum(len(one.token_ids) for one in drawn)
    taken.seconds += time.perf_counter() - started
    taken.accepted = sampler.metrics().get(ACCEPTANCE, taken.accepted)


def requests(folder: Path, count: int, seed: int) -> list[Request]:
    """The first `count` held-out problems as the checkpoint is asked them."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    every = problems("all", size=20 * count, seed=seed)
    held_out = [one for one in every if is_held_out(one.key, HELD_OUT_SHARE)][:count]
    user = Prompt().user
    prompts = [
        render(tokenizer, one, system=None, user=user, prefill="", chat=True) for one in held_out
    ]
    return [
        Request(ids, request_seed(seed, 0, one.id, 0, "mtp"))
        for one, (_, ids) in zip(held_out, prompts, strict=True)
    ]


def lines(cases: Sequence[Case], questions: int, turns: int, threads: int) -> Iterator[str]:
    """The table in Markdown."""
    heads = ("checkpoint", "sampling", "at once", "accepted", "tokens/s with", "without", "times")
    yield f"| {' | '.join(heads)} |"
    yield "| --- | --- " + "| ---: " * (len(heads) - 2) + "|"
    for case in cases:
        yield f"| {' | '.join(cells(case).values())} |"
    yield ""
    yield (
        f"{questions} held-out problems, a sample each, {turns} turns, float32, "
        f"{threads} thread{'s' * (threads > 1)}."
    )


def cells(case: Case) -> Mapping[str, str]:
    """A case's row."""
    assert case.drafted.accepted is not None
    return {
        "checkpoint": case.checkpoint,
        "sampling": case.sampling,
        "at once": str(case.at_once),
        "accepted": f"{case.drafted.accepted:.1%}",
        "with": f"{case.drafted.speed:,.0f}",
        "without": f"{case.alone.speed:,.0f}",
        "times": f"{case.drafted.speed / case.alone.speed:.2f}",
    }


def short(name: str) -> str:
    """A checkpoint's run, stage and step, or its name."""
    words = [word for word in Path(name).parts[-4:] if word != "checkpoints"]
    return " / ".join(words) if "checkpoints" in Path(name).parts else words[-1]


if __name__ == "__main__":
    typer.run(main)
