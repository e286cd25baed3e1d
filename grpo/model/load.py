"""Any causal LM of transformers from a folder, a shipped name or the hub."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as SCORED,
)
from transformers.utils import logging

from grpo.checkpoint.weights import load_weights
from grpo.errors import UserError
from grpo.model.config_file import read_config
from grpo.model.depth import draft_depth, heads_in
from grpo.model.mtp import Mtp, load_mtp
from grpo.recipe.sections import Model
from grpo.recipe.shipped import shipped_model
from grpo_data.hub import brief_hub

HEAD = "score.weight"
"""The head of transformers' sequence classifiers, by its name in checkpoint files."""


def base_folder(knobs: Model) -> Path:
    """The folder of the base: the path, else the shipped model of that name, else the hub's copy.

    Raises UserError when there is no such folder and the hub has none or cannot be reached.
    """
    if Path(knobs.path).is_dir():
        return Path(knobs.path)
    if shipped := shipped_model(knobs.path):
        return shipped
    fault = ""
    try:
        with brief_hub() as fault:
            return Path(snapshot_download(knobs.path, revision=knobs.revision))
    except (OSError, ValueError) as error:
        why = f"{fault}, and its cache here has no copy; name a folder with the model's files"
        raise UserError(
            f"model.path: {knobs.path!r} is no folder, no shipped model and cannot be had from "
            f"the hub: {why if fault else _first_line(error)}"
        ) from error


def load_model(knobs: Model, folder: Path) -> PreTrainedModel:
    """The model in `folder`, held as `knobs` say. Raises UserError when it cannot be read or is
    not whole."""
    return _loaded(AutoModelForCausalLM, knobs, folder)[0]


def hollow_model(knobs: Model, folder: Path) -> PreTrainedModel:
    """A model of the shape of the one in `folder`, without numbers and so without memory."""
    trust = knobs.trust_remote_code
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=trust)


def load_scorer(knobs: Model, folder: Path, seed: int) -> PreTrainedModel:
    """The model in `folder` with a head of one score, which is new where the folder holds none.

    A new head hangs on `seed` alone. The language model's head and a draft are left out. Raises
    UserError as `load_model` does.
    """
    kind = AutoModelForSequenceClassification
    model, missing = _loaded(kind, knobs, folder, new={HEAD}, num_labels=1)
    if missing:
        noise = torch.Generator().manual_seed(seed)
        head = torch.empty(model.score.weight.shape)
        head.normal_(std=model.config.get_text_config().initializer_range, generator=noise)
        model.score.weight.data = head.to(model.dtype)
    model.config.architectures = [type(model).__name__]
    if getattr(model.config, "num_nextn_predict_layers", 0):
        model.config.num_nextn_predict_layers = 0
    return model


def check_scorable(knobs: Model, folder: Path) -> None:
    """Raises UserError unless a reward model can be made of what is in `folder`: transformers has
    a sequence classifier of its architecture, and its tokenizer a chat template."""
    architecture = read_config(folder).get("model_type")
    if architecture not in SCORED and not knobs.trust_remote_code:
        raise UserError(
            f"transformers has no sequence classifier for the architecture {architecture!r} of the "
            f"model in {folder}, so no reward model can be made of it; take another base"
        )
    if not load_tokenizer(knobs, folder).chat_template:
        raise UserError(
            f"the tokenizer in {folder} has no chat template, and a reward model is shown "
            "conversations in one; give the base a template"
        )


def _loaded(
    kind: type[Any], knobs: Model, folder: Path, new: Collection[str] = (), **changes: Any
) -> tuple[PreTrainedModel, set[str]]:
    """A model by one of transformers' auto classes, and what it lacks of the `new` tensors, which
    alone need not be there."""
    try:
        with quiet_loading():
            model, found = kind.from_pretrained(
                folder,
                dtype=getattr(torch, knobs.dtype),
                attn_implementation=knobs.attention,
                experts_implementation=knobs.experts,
                trust_remote_code=knobs.trust_remote_code,
                output_loading_info=True,
                **changes,
            )
    except (OSError, ValueError) as error:
        raise UserError(f"the model in {folder} cannot be loaded: {_first_line(error)}") from error
    lacking = set(found["missing_keys"])
    if missing := sorted(lacking - set(new)):
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
    return model, lacking


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


def load_draft(model: PreTrainedModel, folder: Path) -> Mtp | None:
    """The checkpoint's multi-token-prediction layers, or None where it has none.

    Raises UserError where there are not as many as its config says.
    """
    depth = draft_depth(folder)
    if not depth:
        return None
    heads = heads_in(folder)
    tensors = {name: t.clone() for name, t in load_weights(folder) if name.startswith(heads)}
    mtp = Mtp(model, depth)
    load_mtp(mtp, tensors)
    for parameter in mtp.parameters():
        # Not `mtp.to`: the router's bias is a buffer that stays float32, as in the model itself.
        parameter.data = parameter.data.to(model.dtype)
    return mtp.requires_grad_(False)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
