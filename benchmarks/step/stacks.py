"""Where in the code the time goes: a timer interrupts, and whoever is at work has worked since.

The interrupt is Python's own signal handler, so it comes between two bytecodes: a call into C is
counted in full, to its caller. A thread that looks on would be let in where C code lets the
interpreter go, and would see no Python at all.
"""

import signal
import threading
import time
from collections import defaultdict
from types import FrameType

INTERVAL_S = 0.002

PLACES = (
    ("engine: attention", "/v1/attention/", "/layers/attention"),
    ("engine: experts", "/layers/fused_moe/"),
    ("engine: draws a token", "/v1/sample/"),
    ("engine: model, else", "/vllm/model_executor/"),
    ("engine: runner, inputs and states", "/vllm/v1/worker/"),
    ("engine: scheduler, cache blocks", "/vllm/v1/core/"),
    ("engine: requests in and out", "/vllm/v1/engine/", "/vllm/entrypoints/"),
    ("trainer: attention", "integrations/sdpa_attention.py", "Attention.forward"),
    ("trainer: experts", "Experts.forward", "MoE.forward", "Router.forward", "integrations/moe.py"),
    ("trainer: head and log-probs", "/grpo/objective/logprobs.py", "/grpo/objective/head.py"),
    ("trainer: backward", "/torch/autograd/"),
    ("trainer: model, else", "/transformers/models/"),
    ("trainer: optimizer", "/torch/optim/"),
    ("trainer: clipping", "clip_grad"),
    ("trainer: batches", "/grpo/train/batches.py", "/grpo/train/sequences.py"),
    ("trainer: loss", "/grpo/objective/"),
    ("trainer: lesson, update, else", "/grpo/train/", "/grpo/learning/lesson.py"),
    ("rewards", "/grpo_rewards/"),
    ("rollout to disk and back", "/grpo/rollout/record.py", "/pyarrow/"),
    ("weights under checkpoint names", "/grpo/model/names.py"),
)
"""(name, what one of the stack's lines holds), from the innermost line on; the first that fits."""


class Stacks:
    """Seconds by (phase, place), and by (phase, function). `phase` is for whoever knows to set."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.functions: dict[tuple[str, str], float] = defaultdict(float)
        self.phase = ""
        self._last = 0.0

    def start(self) -> None:
        """Begin to look. Raises RuntimeError elsewhere than in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("signals come to the main thread alone: profile from there")
        self._last = time.perf_counter()
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)

    def stop(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        self.seconds[self.phase, place_of(frame)] += now - self._last
        self.functions[self.phase, _function(frame)] += now - self._last
        self._last = time.perf_counter()


def _function(frame: FrameType | None) -> str:
    """The innermost function: the last two parts of its file's path, and its name."""
    if frame is None:
        return "?"
    file = "/".join(frame.f_code.co_filename.split("/")[-2:])
    return f"{file}:{frame.f_code.co_qualname}"


def place_of(frame: FrameType | None) -> str:
    """The place that the innermost line of a stack belongs to, of those that belong to any."""
    while frame is not None:
        line = f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}"
        for name, *marks in PLACES:
            if any(mark in line for mark in marks):
                return name
        frame = frame.f_back
    return "elsewhere"
