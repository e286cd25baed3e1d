"""The policy: a model in accelerate's hands, its optimizer, and a frozen reference where asked.

Sharding, devices and mixed precision are accelerate's; this file only asks it.
"""

# B = completions, T = completion tokens

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from grpo.model.balance import RouterWatch, move_biases
from grpo.model.mtp import Mtp, mtp_tensors
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Optimizer
from grpo.train.flops import ForwardCost
from grpo.train.optim import build_optimizer
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Inputs, Sequences, order_of
from grpo.train.side import NONE, SideLosses

ROUTING_DIFFERENCE = "sampling/routing_difference"


class Policy:
    """What is trained, with all that training it needs.

    `mtp` is trained where `side.mtp` is above 0. Else it is carried along, frozen: the embedding
    and head that its layers share follow the policy. With `router_replay` tokens take the experts
    that come with the sequences, where these bring any.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        accelerator: Accelerator,
        optimizer: Optimizer,
        mtp: Mtp | None = None,
        side: SideLosses = NONE,
        router_replay: bool = False,
    ) -> None:
        """Raises ValueError where a loss is asked for that the model has no part for."""
        self.accelerator = accelerator
        self.mtp, self.side = mtp, side
        if side.mtp and mtp is None:
            raise ValueError("an MTP loss is asked for, and the model has no MTP layers")
        trained = mtp.requires_grad_(True) if mtp is not None and side.mtp else None
        # A policy with dropout would be another policy at every pass. Recomputing activations
        # happens in training mode only, so that one case needs it.
        model.train(model.is_gradient_checkpointing)
        scored = ScoredLM(model, trained, detached=side.detach)
        scored.replay.follows = router_replay
        self.watch = RouterWatch(
            scored,
            with_balance=side.balance > 0,
            with_expert_balance=side.expert_balance > 0,
        )
        if (side.balance or side.expert_balance) and not self.watch.routers:
            raise ValueError("a balance loss is asked for, and the model has no experts")
        self.module, self.optimizer = accelerator.prepare(
            scored, build_optimizer(scored.parameters(), optimizer)
        )

    @property
    def model(self) -> PreTrainedModel:
        """The bare model, out of accelerate's wrappers."""
        model: PreTrainedModel = self.accelerator.unwrap_model(self.module).model
        return model

    @property
    def cost(self) -> ForwardCost:
        """What a forward of it costs."""
        cost: ForwardCost = self.accelerator.unwrap_model(self.module).cost
        return cost

    def spent(self) -> int:
        """FLOPs of this process's forwards and backwards since it was last asked."""
        return int(self.accelerator.unwrap_model(self.module).spent.take())

    def clip_gradients(self, max_norm: float) -> float:
        """Scale the gradient down to `max_norm`; its norm before.

        That of MTP layers beside the policy is scaled by itself, and its norm is not told: what
        they learn must not shorten the policy's step.
        """
        parameters = list(self.module.parameters())
        if self.mtp is not None and self.side.mtp and self.side.detach:
            beside = list(self.mtp.parameters())
            self.accelerator.clip_grad_norm_(beside, max_norm)
            apart = set(map(id, beside))
            parameters = [p for p in parameters if id(p) not in apart]
        return float(self.accelerator.clip_grad_norm_(parameters, max_norm))

    def weights(self) -> dict[str, Tensor]:
        """The policy's tensors under their checkpoint names, gathered where sharded."""
        return checkpoint_tensors(self.model, self._state("model."))

    def draft_weights(self) -> dict[str, Tensor]:
        """The MTP layers' tensors under their checkpoint names; empty where there are none."""
        if self.mtp is None:
            return {}
        own = self._state("mtp.") if self.side.mtp else None
        return checkpoint_tensors(self.model, mtp_tensors(self.mtp, self.model, own))

    def watching(self, inputs: Inputs, mask_BT: Tensor) -> AbstractContextManager[None]:
        """Counts, inside, which experts real tokens go to; nothing for a dense model.

        Inputs without a token in `mask_BT` are another process's: they count there.
        """
        if not self.watch.routers:
            return nullcontext()
        counts = bool(mask_BT.any())
        is_packed = counts and inputs.positions_RS is not None and inputs.pieces_BM is None
        return self.watch.watching(inputs.real_RS & counts, inputs.lengths if is_packed else None)

    def settle_load(self, gamma: float) -> Tensor | None:
        """Move the router biases by `gamma` against the load counted since the last call, over
        all processes, and return that load, [L, E]; None for a dense model."""
        if not self.watch.routers:
            return None
        device = self.accelerator.device
        load_LE: Tensor = self.accelerator.reduce(self.watch.load_LE.to(device)).cpu()
        self.watch.load_LE = load_LE
        move_biases(self.watch, gamma)
        self.watch.reset()
        return load_LE

    def routing_difference(self) -> dict[str, float]:
        """Share of tokens that the policy's own routers would have sent elsewhere than the sampler
        did, by layer and in any of them, over all processes since the last call; empty where no
        choice was known."""
        replay = self.accelerator.unwrap_model(self.module).replay
        differ = replay.take()
        counts = torch.stack([*differ.layers_L, differ.anywhere, differ.tokens])
        *layers, anywhere, tokens = self.accelerator.reduce(
            counts.to(self.accelerator.device)
        ).tolist()
        if not tokens:
            return {}
        by_layer = {
            f"{ROUTING_DIFFERENCE}/layer_{number}": count / tokens
            for number, count in zip(replay.layers, layers, strict=True)
        }
        return {ROUTING_DIFFERENCE: anywhere / tokens, **by_layer}

    def _state(self, part: str) -> dict[str, Tensor]:
        """What is in one part of the module, `model.` or `mtp.`, by its names there."""
        state: Mapping[str, Any] = self.accelerator.get_state_dict(self.module)
        return {name.removeprefix(part): t for name, t in state.items() if name.startswith(part)}


class Reference:
    """A frozen model that the KL penalty holds on to."""

    def __init__(self, model: PreTrainedModel, accelerator: Accelerator) -> None:
        self.module = accelerator.prepare_model(
            ScoredLM(model.eval().requires_grad_(False)), evaluation_mode=True
        )
        self._accelerator = accelerator

    def refresh(self, policy: Policy) -> None:
        """Take over the policy's present weights (R1-Zero does every 400 steps)."""
        model = self._accelerator.unwrap_model(self.module).model
        model.load_state_dict(policy.model.state_dict())

    def spent(self) -> int:
        """FLOPs of this process's forwards since it was last asked."""
        return int(self._accelerator.unwrap_model(self.module).spent.take())

    def weights(self) -> dict[str, Tensor]:
        """Its tensors under their checkpoint names."""
        model = self._accelerator.unwrap_model(self.module).model
        return checkpoint_tensors(model)


@torch.no_grad()
def score(
    module: torch.nn.Module,
    sequences: Sequences,
    *,
    temperature: float,
    budget: int,
    device: torch.device,
) -> Tensor:
    """Log-probabilities [B, T] on the CPU of the sequences' completions, 0 outside their masks."""
    logprobs_BT = torch.zeros(sequences.mask_BT.shape)
    for rows in sequences.microbatches(budget):
        inputs = sequences.inputs(rows, device)
        part_BT = module(inputs, temperature=temperature, entropy=False).logprobs_BT
        logprobs_BT[order_of(rows), : part_BT.shape[1]] = part_BT.float().cpu()
    return logprobs_BT
