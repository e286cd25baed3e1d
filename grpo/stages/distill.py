"""On-policy distillation: sample, and at every token move towards what the teacher would say.

The loop of `rl` without rewards: nothing depends on a clock, and a rollout is on disk before the
update that uses it.
"""

from functools import partial
from pathlib import Path

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped
from grpo.learning.student import Student
from grpo.recipe.stages import Distill
from grpo.rollout.collect import Collector
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import length_metrics
from grpo.sampler import Sampler
from grpo.timing import Stopwatch
from grpo.workbench.exam import Exam
from grpo.workbench.logbook import Logbook
from grpo.workbench.parity import ParityCheck
from grpo.workbench.workbench import Workbench
from grpo_data.mixture import Stream


def run_distill(stage: Distill, bench: Workbench, parent: Path, last_step: int) -> Path:
    """Train `parent` up to step `last_step`; the folder of the last checkpoint.

    Goes on from the stage's newest checkpoint where there is one.
    """
    watch = Stopwatch()
    student = Student(stage, bench, parent)
    sampler = bench.sampler(student.checkpoint)
    problems = Stream(bench.training_problems(stage), bench.recipe.seed)
    collector = _collector(stage, bench, sampler, student, watch)
    rollouts = RolloutShelf(bench.run.rollouts(stage.name), collector, bench.accelerator, "none")
    parity = ParityCheck(stage, bench, student.policy, sampler)
    exam = Exam(stage, bench, sampler, student.tokenizer, watch)
    with Logbook(stage, bench, student.step, last_step) as logbook, StopRequest() as stop:
        for step in range(student.step, last_step):
            rollout = rollouts.take(step, partial(problems.batch, step, stage.prompts))
            metrics = {**rollout.metrics, **length_metrics(rollout)}
            with watch("logprobs"):
                metrics |= parity.check(rollout)
            with watch("update"):
                metrics |= student.learn(rollout)
            with watch("sync"):
                bench.push(student.policy)
            metrics |= exam.sit(student.step)
            logbook.write(step, metrics | watch.take())
            stopping = bench.agreed(stop.requested)
            if student.is_due(last_step) or stopping:
                student.save(metrics.get("eval/strict"))
            if stopping:
                raise Stopped(f"stopped after step {step + 1} of {stage.steps} of {stage.name!r}")
    return student.checkpoint


def _collector(
    stage: Distill, bench: Workbench, sampler: Sampler, student: Student, watch: Stopwatch
) -> Collector:
    """What collects the stage's rollouts; nothing pays for them."""
    recipe, scorer = bench.recipe, None
    return Collector(
        sampler, scorer, student.tokenizer, recipe.prompt, stage.sampling, stage.samples,
        recipe.seed, stage.name, watch,
    )  # fmt: skip
