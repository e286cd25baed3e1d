"""A frozen model whose distribution a policy learns, as one more loss of the update.

Each process holds it whole, sharded or not the policy may be: its head is needed inside the
policy's forward. How it came to be, and whether its vocabulary is the policy's, is not asked here.
"""

# B = sequences, T = completion tokens

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from grpo.objective import Stat, Stats
from grpo.train.scored import ScoredLM, Taught
from grpo.train.sequences import Inputs


class Teacher:
    """Adds weight x scale x sum over tokens of their weight x KL at `temperature`.

    `direction` is a name of `objective.DIRECTIONS`; the mean of scale x KL is logged as `name`.
    A `scale` of temperature squared keeps the gradient's size where labels are softened (Hinton et
    al. 2015, 2.1).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        accelerator: Accelerator,
        *,
        direction: str,
        temperature: float,
        weight: float = 1.0,
        scale: float = 1.0,
        name: str = "kl",
    ) -> None:
        self.module = ScoredLM(model.eval().requires_grad_(False)).to(accelerator.device)
        self._direction, self._temperature, self._name = direction, temperature, name
        self._weight, self._scale = weight, scale

    @torch.no_grad()
    def taught(self, inputs: Inputs) -> Taught:
        """One forward over a micro-batch; of its tokens the states are kept, never the logits."""
        return Taught(self.module.teach(inputs), self._direction, self._temperature)

    def spent(self) -> int:
        """FLOPs of this process's forwards since it was last asked."""
        return self.module.spent.take()

    def loss(self, kl_BT: Tensor, mask_BT: Tensor, weights_BT: Tensor) -> tuple[Tensor, Stats]:
        """The micro-batch's share of the loss, each token with the weight the objective gave it."""
        soft_BT = self._scale * kl_BT
        stats = {self._name: Stat.over(soft_BT, mask_BT)}
        return self._weight * (weights_BT * soft_BT).sum(), stats
