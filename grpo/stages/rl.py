"""Reinforcement learning: sample groups, judge them, learn from what did better than its group.

How each noun does its work is one file away. Nothing here depends on a clock: a rollout is on
disk before the update that uses it, and a step follows from the last checkpoint alone.
"""

from pathlib import Path

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped
from grpo.learning.draws import draws
from grpo.learning.learner import Learner
from grpo.learning.lesson import Teacher
from grpo.recipe.stages import Rl
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import domain_metrics, rollout_metrics
from grpo.timing import Stopwatch
from grpo.workbench.exam import Exam
from grpo.workbench.logbook import Logbook
from grpo.workbench.parity import ParityCheck
from grpo.workbench.workbench import Workbench


def run_rl(stage: Rl, bench: Workbench, parent: Path, last_step: int) -> Path:
    """Train `parent` up to step `last_step`; the folder of the last checkpoint.

    Goes on from the stage's newest checkpoint where there is one.
    """
    watch = Stopwatch()
    learner = Learner(stage, bench, parent)
    sampler = bench.sampler(learner.checkpoint)
    collector = bench.collector(stage, sampler, learner.tokenizer, watch)
    shelf = RolloutShelf(
        bench.run.rollouts(stage.name), collector, bench.accelerator, stage.objective.scale
    )
    rollouts = draws(stage, bench, shelf, watch)
    parity = ParityCheck(stage, bench, learner.policy, sampler)
    teacher = Teacher(stage, learner.policy, learner.reference, bench.recipe)
    exam = Exam(stage, bench, sampler, learner.tokenizer, watch)
    with Logbook(stage, bench, learner.step, last_step) as logbook, StopRequest() as stop:
        for step in range(learner.step, last_step):
            drawn = rollouts.take(step)
            metrics = rollout_metrics(drawn) | domain_metrics(drawn, stage.domains or ())
            with watch("logprobs"):
                metrics |= parity.check(drawn)
            with rollouts.meanwhile(step + 1):
                with watch("logprobs"):
                    lesson = teacher.lesson(rollouts.batch(drawn))
                with watch("update"):
                    metrics |= learner.learn(drawn, lesson)
                    learner.refresh_reference()
            with watch("sync"):
                bench.push(learner.policy)
            metrics |= exam.sit(learner.step)
            logbook.write(step, metrics | watch.take())
            stopping = bench.agreed(stop.requested)
            if learner.is_due(last_step) or stopping:
                learner.save(metrics.get("eval/strict"))
            if stopping:
                raise Stopped(f"stopped after step {step + 1} of {stage.steps} of {stage.name!r}")
    return learner.checkpoint
