"""Any causal LM of transformers from a folder, a shipped name or the hub."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.utils import logging

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.model.mtp import MtpLayer, load_mtp
from grpo.recipe.sections import Model
from grpo.recipe.shipped import shipped_model


def base_folder(knobs: Model) -> Path:
    """The folder of the base: the path, else the shipped model of that name, else the hub's copy.

    Raises UserError when there is no such folder and the hub has none or cannot be reached.
    """
    if Path(knobs.path).is_dir():
        return Path(knobs.path)
    if shipped := shipped_model(knobs.path):
        return shipped
    try:
        return Path(snapshot_download(knobs.path, revision=knobs.revision))
    except (OSError, ValueError) as error:
        raise UserError(
            f"model.path: {knobs.path!r} is no folder, no shipped model and cannot be had from "
            f"the hub: {_first_line(error)}"
        ) from error


def layer_count(folder: Path) -> int | None:
    """How many decoder layers the checkpoint's config names, MTP layers not among them."""
    layers: int | None = json.loads((folder / "config.json").read_text()).get("num_hidden_layers")
    return layers


def load_model(knobs: Model, folder: Path) -> PreTrainedModel:
    """The model in `folder`, held as `knobs` say. Raises UserError when it cannot be read or is
    not whole."""
    try:
        with quiet_loading():
            model, found = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, knobs.dtype),
                attn_implementation=knobs.attention,
                experts_implementation=knobs.experts,
                trust_remote_code=knobs.trust_remote_code,
                output_loading_info=True,
            )
    except (OSError, ValueError) as error:
        raise UserError(f"the model in {folder} cannot be loaded: {_first_line(error)}") from error
    if missing := sorted(found["missing_keys"]):
        raise UserError(
            f"the model in {folder} lacks {len(missing)} tensors, the first is {missing[0]}; "
            "they would be random numbers"
        )
    for tensor in (*model.parameters(), *model.buffers()):
        # Weights mapped from a file start at odd addresses, where kernels may round otherwise
        # than on memory of one's own: a resumed run would not repeat the run before it.
        tensor.data = tensor.data.clone()
    if knobs.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Inside, transformers shows its bar in a terminal only, and keeps its table of a checkpoint's
    odd tensors to itself: at every load it would list the whole draft, which is not odd."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def load_tokenizer(knobs: Model, folder: Path) -> Tokenizer:
    """The tokenizer beside the model. Raises UserError when there is none."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=knobs.trust_remote_code)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} has no tokenizer: {_first_line(error)}") from error


def load_draft(model: PreTrainedModel, folder: Path) -> MtpLayer | None:
    """The checkpoint's multi-token-prediction layer, or None where it has none."""
    if not getattr(model.config, "num_nextn_predict_layers", 0):
        return None
    head = f"model.layers.{model.config.num_hidden_layers}."
    tensors = {name: t.clone() for name, t in load_weights(folder) if name.startswith(head)}
    if not tensors:
        return None
    mtp = MtpLayer(model)
    load_mtp(mtp, tensors)
    for parameter in mtp.parameters():
        # Not `mtp.to`: the router's bias is a buffer that stays float32, as in the model itself.
        parameter.data = parameter.data.to(model.dtype)
    return mtp.requires_grad_(False)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
