"""Weights under the names they have in checkpoint files, whatever the model holds in memory."""

from torch import Tensor
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from grpo.model.mtp import Mtp, mtp_tensors


def checkpoint_tensors(
    model: PreTrainedModel,
    state: dict[str, Tensor] | None = None,
    mtp: Mtp | None = None,
) -> dict[str, Tensor]:
    """The model's tensors as they lie on disk, detached and sharing memory where they can.

    `state` replaces the model's own state dict (a gathered one, when parameters are sharded).
    A tied head is left out, as saving leaves it out.
    """
    tensors = dict(state if state is not None else model.state_dict())
    if mtp is not None:
        tensors |= mtp_tensors(mtp, model)
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    return {k: v.detach() for k, v in revert_weight_conversion(model, tensors).items()}
