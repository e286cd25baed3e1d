"""Beam search over steps against choosing among whole samples, at equal numbers of tokens drawn.

The questions, the sampling and the whole samples are those of a stored result; a search draws anew
with the same policy. Each search is compared with best-of-n by the very scorer that guided it, at
the n that costs as many tokens. Reading a path again for every step, and scoring it, costs time
too and is not counted: that favours the search.

    python benchmarks/search.py runs/scaling/evaluations/before --prm runs/verifiers/process \\
        --out runs/verifiers/search.json
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))

from beams.bench import Bench
from beams.line import Line, compared, table

from grpo.errors import UserError
from grpo.eval.grading import CHECKER
from grpo.eval.result import Result, read_result
from grpo.eval.search.beam import Beams, BeamSearch
from grpo.eval.search.paths import Found, Question
from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import ProcessRewardModel
from grpo.eval.steps.scorer import StepScorer
from grpo.model.load import base_folder
from grpo.recipe.sections import Model, SamplerConfig
from grpo.run.identity import weights_hash
from grpo.sampler import Sampler, open_sampler
from grpo.threads import use_threads
from grpo.versions import versions

ENGINE = SamplerConfig(max_model_len=320, max_num_seqs=512, kv_cache_gib=0.5)


def main(
    result: Annotated[Path, typer.Argument(help="A result of the tiny world.")],
    prm: Annotated[Path | None, typer.Option(help="A process reward model's folder.")] = None,
    model: Annotated[str, typer.Option(help="The policy, which made the result.")] = "tiny-base",
    beams: Annotated[str, typer.Option(help="KEEPxDRAW, ...")] = "1x4,2x4,4x4,8x4",
    verdict: Annotated[str | None, typer.Option(help="strict, lenient, ...")] = None,
    steps: Annotated[str, typer.Option(help="last, min, mean, product.")] = "last",
    repeats: Annotated[int, typer.Option(help="Searches a question.")] = 1,
    seed: int = 0,
    threads: int = 2,
    engine: Literal["vllm", "plain"] = "vllm",
    out: Annotated[Path | None, typer.Option(help="A JSON file of every line.")] = None,
) -> None:
    """Search, compare, print the table."""
    use_threads(threads)
    stored = read_result(result)
    policy = policy_folder(model, stored)
    scorers: dict[str, StepScorer] = {CHECKER: ExactSteps()}
    if prm is not None:
        scorers[prm.name] = ProcessRewardModel(prm)
    bench = Bench(stored, verdict, [CHECKER, *([str(prm)] if prm else [])], steps)
    sizes_of = [Beams(keep, draw, CLAIMS.ends, steps) for keep, draw in sizes(beams)]
    questions = bench.questions(AutoTokenizer.from_pretrained(policy))
    with closing(open_sampler(policy, ENGINE.model_copy(update={"engine": engine}))) as sampler:
        draw = partial(searches, questions, sampler, bench, range(seed, seed + repeats))
        lines = list(searched(bench, draw, scorers, sizes_of))
    Console(highlight=False).print(table(lines))
    if out is not None:
        about = {"result": str(result), "verdict": bench.verdict, "repeats": repeats, "seed": seed}
        about |= {"tokens_a_sample": bench.tokens, "questions": len(bench.groups)}
        document = {**about, "lines": [asdict(line) for line in lines], "versions": versions()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=1))


def policy_folder(model: str, result: Result) -> Path:
    """The policy's folder. Raises UserError unless it made the result."""
    folder = base_folder(Model(path=model))
    if weights_hash(folder) != result.results["checkpoint"]["sha256"]:
        raise UserError(f"the samples in {result.folder} were drawn by another model than {model}")
    return folder


def sizes(text: str) -> list[tuple[int, int]]:
    """`1x4,2x4` as pairs."""
    pairs = (part.split("x") for part in text.split(","))
    return [(int(keep), int(draw)) for keep, draw in pairs]


def searches(
    questions: Sequence[Question],
    sampler: Sampler,
    bench: Bench,
    seeds: Sequence[int],
    scorer: StepScorer,
    beams: Beams,
) -> list[list[Found]]:
    """What is found with each seed."""
    return [
        BeamSearch(beams, sampler, scorer, bench.sampling, bench.has_answer, seed).search(questions)
        for seed in seeds
    ]


def searched(
    bench: Bench,
    draw: Callable[[StepScorer, Beams], list[list[Found]]],
    scorers: Mapping[str, StepScorer],
    sizes_of: Sequence[Beams],
) -> Iterator[Line]:
    """A line for every scorer and size, as they are done."""
    for name, scorer in scorers.items():
        for beams in sizes_of:
            line = compared(bench, name, beams, draw(scorer, beams))
            print(json.dumps(asdict(line)), file=sys.stderr, flush=True)
            yield line


if __name__ == "__main__":
    typer.run(main)
