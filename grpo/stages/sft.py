"""Supervised fine-tuning: learn to answer as a set of conversations answers.

R1's cold start, its second beginning from rejection samples, and distillation are all this loop,
each on other conversations.
"""

from pathlib import Path

from grpo.checkpoint.signals import StopRequest
from grpo.errors import Stopped
from grpo.learning.tuning import Tuning
from grpo.recipe.stages import Sft
from grpo.timing import Stopwatch
from grpo.workbench.logbook import Logbook
from grpo.workbench.workbench import Workbench
from grpo_data.mixture import Stream


def run_sft(stage: Sft, bench: Workbench, parent: Path, last_step: int) -> Path:
    """Tune `parent` up to step `last_step`; the folder of the last checkpoint.

    Goes on from the stage's newest checkpoint where there is one.
    """
    watch = Stopwatch()
    tuning = Tuning(stage, bench, parent)
    train, held_out = map(tuning.transcribe, bench.conversations(stage))
    conversations = Stream(train, bench.recipe.seed)
    with Logbook(stage, bench, tuning.step, last_step) as logbook, StopRequest() as stop:
        for step in range(tuning.step, last_step):
            with watch("update"):
                metrics = tuning.learn(conversations.batch(step, stage.batch))
            with watch("evaluate"):
                metrics |= tuning.look(held_out)
            logbook.write(step, metrics | watch.take())
            stopping = bench.agreed(stop.requested)
            if tuning.is_due(last_step) or stopping:
                tuning.save(metrics)
            if stopping:
                raise Stopped(f"stopped after step {step + 1} of {last_step} of {stage.name!r}")
    return tuning.checkpoint
