"""`grpo eval`: a checkpoint on benchmarks, or on its own run's held-out problems.

A checkpoint that lies in a run is asked as its run asked; any other as R1 was. Samples, scores and
all that must be the same to reproduce them go into one folder, which the same command goes on with.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from rich.console import Console
from rich.text import Text

from grpo.errors import UserError
from grpo.eval.answerer import Answerer, LocalAnswerer
from grpo.eval.asking import Places, benchmark_task, check_markings, deviations_of, places_of
from grpo.eval.benchmarks import chosen
from grpo.eval.conduct import Evaluation, conduct, judging_of
from grpo.eval.marker import ScorerOf
from grpo.eval.protocol import Knobs
from grpo.eval.sources import Loaded, data_root, load, own_file
from grpo.eval.task import Task
from grpo.machine import Machine, machine_of, prepare_process
from grpo.model.load import base_folder, load_tokenizer
from grpo.recipe.load import recipe_above
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Data, Model, Prompt, SamplerConfig, Sampling
from grpo.recipe.stages import Evaluate, Rl
from grpo.report.evaluations import show_results
from grpo.report.result_page import write_result_page
from grpo.run.identity import weights_hash
from grpo.run.run_directory import RunDirectory
from grpo.sampler import Sampler, open_sampler
from grpo.workbench.posed import held_out, reasoned
from grpo.workbench.workbench import Workbench

RESULTS = Path("runs/eval")
AS_R1 = Knobs()


@dataclass(frozen=True)
class OwnData:
    """A file (hub name, tiny:SPEC) to evaluate on, and which column is what.

    >>> OwnData("my.jsonl", question="q", answer="a")
    """

    source: str
    question: str = "question"
    answer: str = "answer"
    answer_after: str | None = None
    split: str = "test"
    subset: str | None = None


def evaluate_checkpoint(
    checkpoint: str,
    *,
    benchmarks: Sequence[str] = (),
    data: OwnData | None = None,
    knobs: Knobs = AS_R1,
    engine: str | None = None,
    overrides: Sequence[str] = (),
    root: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Score `checkpoint`, print the table, and return the folder of the result.

    Without `benchmarks` and `data` it is asked its own run's held-out problems. `overrides` are
    knobs of model, sampler and runtime as in a recipe. Raises UserError for whatever is wrong with
    the benchmarks, the model or the folder; nothing that was drawn is lost then.
    """
    loaded = load_asked(benchmarks, data, knobs, root)
    folder = base_folder(Model(path=checkpoint))
    run = recipe_above(folder)
    machine = machine_of(run, folder, **({"engine": engine} if engine else {})).changed(overrides)
    prepare_process(machine.runtime)
    recipe = _recipe(run, machine, loaded, knobs.seed)
    bench = Workbench(recipe, RunDirectory(out or RESULTS), Accelerator())
    with bench, ExitStack() as closing:
        asking = _Asking(folder, run, bench, knobs, closing)
        evaluation, answerer = asking.about(loaded)
        places = places_of(loaded)
        return carry_out(evaluation, answerer, bench.scorer, out, checkpoint, places)


def carry_out(
    evaluation: Evaluation,
    answerer: Answerer,
    scorer_of: ScorerOf,
    out: Path | None,
    called: str,
    places: Places,
) -> Path:
    """Conduct `evaluation` of what is `called` so, and print its table; the folder of the result.

    Raises UserError before anything is drawn where a reference cannot be read, naming its row.
    """
    check_markings(evaluation.tasks, scorer_of, places)
    there = out or RESULTS / _name(called, evaluation)
    console = Console(highlight=False)
    console.print(Text(f"into {there}; the same command goes on with it"), soft_wrap=True)
    results = conduct(there, evaluation, answerer, scorer_of, called="eval")
    write_result_page(there)
    show_results(results, there, console)
    return there


def load_asked(
    benchmarks: Sequence[str], data: OwnData | None, knobs: Knobs, root: Path | None
) -> list[Loaded]:
    """The benchmarks asked for, read before anything else is loaded. Raises UserError for those
    that are not there or not of their form, and for knobs that make no sense together."""
    lines = chosen(benchmarks) if benchmarks else []
    if data is not None:
        own = own_file(
            data.source,
            data.question,
            data.answer,
            after=data.answer_after,
            reward=knobs.reward,
            split=data.split,
            subset=data.subset,
        )
        lines.append(own)
    if knobs.temperature == 0 and (knobs.k or 1) > 1:
        raise UserError(f"temperature 0 draws the same answer {knobs.k} times: give -k 1")
    return [load(line, data_root(root), knobs.limit) for line in lines]


class _Asking:
    """How one checkpoint is asked; an engine that it starts is left to `closing`."""

    def __init__(
        self,
        folder: Path,
        run: Recipe | None,
        bench: Workbench,
        knobs: Knobs,
        closing: ExitStack,
    ) -> None:
        self._folder, self._run, self._closing = folder, run, closing
        self._bench, self._knobs = bench, knobs
        self._tokenizer = load_tokenizer(bench.model, folder)

    def about(self, loaded: Sequence[Loaded]) -> tuple[Evaluation, LocalAnswerer]:
        """The evaluation on `loaded`, or on the run's held-out problems, and who answers."""
        sampler = self._bench.recipe.sampler
        window = sampler.max_model_len
        sampling = self._knobs.sampling(window, self._stage.sampling if self._run else None)
        tasks = self._tasks(loaded)
        about = {"deviations": deviations_of(tasks, loaded, sampling)} if loaded else {}
        evaluation = Evaluation(
            tasks,
            sampling,
            self._knobs.seed,
            {"path": str(self._folder), "sha256": weights_hash(self._folder)},
            {"engine": sampler.engine, "dtype": self._dtype, "window": window, **_drafted(sampler)},
            about,
            judging_of(self._bench.recipe.runtime),
        )
        return evaluation, LocalAnswerer(self._start, self._tokenizer, sampling, window)

    def _tasks(self, loaded: Sequence[Loaded]) -> tuple[Task, ...]:
        prompt = self._run.prompt if self._run else None
        if loaded:
            has_template = self._tokenizer.chat_template is not None
            return tuple(
                benchmark_task(one, self._knobs, prompt, has_template=has_template)
                for one in loaded
            )
        if prompt is None:
            raise UserError(
                "the checkpoint lies in no run, so say what to ask: --benchmarks gsm8k,math500 "
                "(`grpo benchmarks` lists them), or --data FILE"
            )
        limit = self._knobs.limit or self._stage.problems
        problems = reasoned(self._bench.problems(None)[1])[:limit]
        if not problems:
            raise UserError("the checkpoint's run holds no problems out; name some: --data FILE")
        k = self._knobs.k or self._stage.samples
        return (held_out(problems, prompt, k, "evaluate"),)

    @property
    def _stage(self) -> Evaluate:
        return _stage(self._run)

    @property
    def _dtype(self) -> str:
        return self._bench.recipe.sampler.dtype or self._bench.model.dtype

    def _start(self, tokens: int) -> Sampler:
        """The engine with a window of `tokens`: caches are made no larger than need be."""
        changes = {"max_model_len": max(16, tokens), "dtype": self._dtype}
        config = self._bench.recipe.sampler.model_copy(update=changes)
        sampler = open_sampler(self._folder, config)
        self._closing.callback(sampler.close)
        return sampler


def _drafted(sampler: SamplerConfig) -> dict[str, int]:
    """A draft draws the same distribution, and with the same seeds other tokens."""
    return {"draft_tokens": sampler.draft_tokens} if sampler.draft_tokens else {}


def _stage(run: Recipe | None) -> Evaluate:
    """How the checkpoint's own run evaluates, or R1's protocol at its rollouts' length."""
    stages = run.stages if run else ()
    for stage in reversed(stages):
        if isinstance(stage, Evaluate):
            return stage
    longest = [stage.sampling.max_tokens for stage in stages if isinstance(stage, Rl)]
    sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=max(longest, default=1024))
    return Evaluate(name="score", kind="evaluate", sampling=sampling)


def _recipe(run: Recipe | None, machine: Machine, loaded: Sequence[Loaded], seed: int) -> Recipe:
    """The recipe of this one evaluation: the run's problems and prompt, the machine's rest."""
    data = run.data if run else Data(path=",".join(one.source for one in loaded) or "none")
    return Recipe(
        name="eval",
        seed=seed,
        model=machine.model,
        sampler=machine.sampler,
        runtime=machine.runtime,
        data=data,
        stages=(_stage(run).model_copy(update={"name": "score", "parent": "base", "data": None}),),
        prompt=run.prompt if run else Prompt(),
    )


def _name(checkpoint: str, evaluation: Evaluation) -> str:
    """The folder's name: the checkpoint's, and a digest of all that makes it this evaluation."""
    path = Path(checkpoint)
    # RUN/checkpoints/STAGE/STEP: the run, the stage and the step tell it from others.
    is_of_run = path.parts[-3:-2] == ("checkpoints",)
    words = (*path.parts[-4:-3], *path.parts[-2:]) if is_of_run else path.parts[-1:]
    digest = hashlib.sha256(json.dumps(evaluation.plan(), sort_keys=True).encode()).hexdigest()
    return "-".join((*(word.replace(":", "-") for word in words if word), digest[:8]))
