"""What every training stage does alike: open on its newest checkpoint, save, go on from a save."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grpo.checkpoint.state import rng_state, set_rng_state
from grpo.checkpoint.trainer import TrainerState, load_trainer, save_trainer
from grpo.checkpoint.weights import save_weights
from grpo.recipe.stages import Distill, Pretrain, RewardModel, Rl, Sft
from grpo.workbench.workbench import Workbench


class Trained:
    """How far a stage has come: `step` steps, `tokens` tokens; `checkpoint` is the newest folder.

    That is `parent` before anything was saved. A stage opens its model on `checkpoint` and calls
    `go_on` when its optimizer stands.
    """

    tokenizer: PreTrainedTokenizerBase

    def __init__(
        self, stage: Pretrain | Sft | Rl | RewardModel | Distill, bench: Workbench, parent: Path
    ) -> None:
        self.bench, self._name, self._every = bench, stage.name, stage.checkpoint.every
        self._store = bench.run.checkpoints(stage.name, stage.checkpoint)
        self.saved = self._store.latest()
        self.checkpoint = self.saved.path if self.saved else parent
        self.step, self.tokens = 0, 0

    def is_due(self, last_step: int) -> bool:
        """Whether this step ends with a checkpoint."""
        return self.step % self._every == 0 or self.step == last_step

    def go_on(self, optimizer: Optimizer) -> None:
        """Take up what the save holds besides weights, and forget what was logged after it."""
        if self.saved is None:
            self.bench.run.rewind(self._name)
            return
        trainer = load_trainer(self.saved.trainer)
        self.step, self.tokens = trainer.state["step"], trainer.state["tokens"]
        optimizer.load_state_dict(trainer.optimizer)
        set_rng_state(trainer.rng)
        self.bench.run.rewind(self._name, self.step)

    def store(
        self,
        model: PreTrainedModel,
        weights: Mapping[str, Tensor],
        optimizer: Optimizer,
        score: float | None = None,
        beside: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """Store everything the run goes on from; `score` ranks the checkpoint, and `beside` writes
        what else belongs to it into its folder."""
        state = {"step": self.step, "tokens": self.tokens}
        trainer = TrainerState(state, optimizer.state_dict(), rng_state())
        generation = getattr(model, "generation_config", None)  # a reward model has none

        def write(folder: Path) -> None:
            save_weights(folder, weights, model.config, self.tokenizer, generation)
            save_trainer(folder / "trainer", trainer)
            beside(folder)

        if self.bench.accelerator.is_main_process:
            self._store.save(self.step, write, score=score)
        self.bench.accelerator.wait_for_everyone()
        self.checkpoint = self._store.folder(self.step)
