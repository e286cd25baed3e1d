"""How far a training has come, as reward functions written for TRL read it from `trainer_state`.

Only what a run of ours knows: the fields of transformers' TrainerState that tell of its loggers
and its callbacks are not here, and reading one is the function's error like any other.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainerState:
    """Progress when the completions were drawn.

    `global_step` counts rollouts learnt from, of `max_steps`; `epoch` is passes over the training
    problems, of `num_train_epochs` in all.

    >>> TrainerState(global_step=100, max_steps=400, epoch=0.5, num_train_epochs=2.0)
    """

    global_step: int = 0
    max_steps: int = 0
    epoch: float = 0.0
    num_train_epochs: float = 0.0
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
