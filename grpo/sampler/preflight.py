"""What is known to go wrong between a checkpoint and vLLM, said before an engine starts.

Only what would fail obscurely or, worse, sample from a bent model in silence; anything else is
left to vLLM's own checks.
"""

import json
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.recipe.sections import SamplerConfig

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
_MLA_MODELS = ("deepseek_v2", "deepseek_v3")


def read_config(folder: Path) -> dict[str, Any]:
    """The checkpoint's config.json; raises UserError where there is none."""
    file = Path(folder) / "config.json"
    if not file.is_file():
        raise UserError(f"no checkpoint to sample from: {file} does not exist")
    values: dict[str, Any] = json.loads(file.read_text())
    return values


def model_dtype(values: dict[str, Any]) -> str:
    """The dtype the checkpoint was saved in; transformers' own default is float32."""
    dtype = values.get("dtype") or values.get("torch_dtype") or "float32"
    return str(dtype).removeprefix("torch.")


def refuse(values: dict[str, Any], config: SamplerConfig, *, cpu: bool) -> None:
    """Raises UserError, naming the key and the cure, where vLLM would fail or mislead.

    `values` is the checkpoint's config.json; `cpu` says whether the engine will run on one.
    """
    refuse_verifier(values)
    _refuse_draft(values, config)
    _refuse_router(values)
    _refuse_routed_experts(values, config, cpu=cpu)
    _refuse_length(values, config)
    _refuse_rope(values, cpu=cpu)
    if cpu:
        _refuse_head_size(values)


def refuse_verifier(values: dict[str, Any]) -> None:
    """Raises UserError for a reward model or its like: it has a head of labels and says nothing.

    Any engine: transformers would put a new head on it and draw noise.
    """
    name = next(iter(values.get("architectures") or [""]))
    if name.endswith(("ForSequenceClassification", "ForTokenClassification")):
        raise UserError(
            f"the checkpoint is a {name}, which scores answers and gives none: name a model that "
            "generates (`grpo scale --by` chooses with this one)"
        )


def _refuse_length(values: dict[str, Any], config: SamplerConfig) -> None:
    longest = values.get("max_position_embeddings")
    if values.get("model_type") not in _MLA_MODELS and values.get("rope_scaling"):
        return  # scaled positions reach further than that number says; vLLM reckons it out
    if longest and config.max_model_len > longest:
        raise UserError(
            f"sampler.max_model_len is {config.max_model_len}, and the model knows {longest} "
            f"positions (max_position_embeddings); lower it to {longest}"
        )


def _refuse_router(values: dict[str, Any]) -> None:
    method = values.get("topk_method")
    if values.get("model_type") == "deepseek_v3" and method != "noaux_tc":
        raise UserError(
            f"config.json has topk_method={method!r}: vLLM would not load the router's bias "
            '(e_score_correction_bias); write "topk_method": "noaux_tc" into it'
        )


def _refuse_routed_experts(values: dict[str, Any], config: SamplerConfig, *, cpu: bool) -> None:
    if cpu and config.routed_experts and values.get("n_routed_experts"):
        raise UserError(
            "vLLM says which experts it chose on a GPU alone (a stage's router_replay, or "
            "sampler.routed_experts, asks for it); take sampler.engine=plain, or leave that out"
        )


def _refuse_rope(values: dict[str, Any], *, cpu: bool) -> None:
    if values.get("model_type") not in _MLA_MODELS:
        return
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default" and cpu:
        raise UserError(
            "config.json has rope_type 'default': vLLM's CPU rotary kernel gives this model wrong "
            "logits without an error; give it YaRN parameters (rope_type yarn), as DeepSeek-V3 "
            "has them, or take sampler.engine=plain"
        )
    if kind not in ("default", "yarn"):
        raise UserError(
            f"config.json has rope_type {kind!r}: vLLM turns this model's positions by YaRN "
            "whatever that says; take a checkpoint with rope_type yarn, or sampler.engine=plain"
        )
    if values.get("rope_interleave") is False:
        raise UserError(
            "config.json has rope_interleave false: vLLM turns neighbouring dimensions of this "
            "model as pairs all the same; take a checkpoint with it true, or sampler.engine=plain"
        )


def _refuse_head_size(values: dict[str, Any]) -> None:
    size, keys = _head_size(values)
    if size is not None and size not in CPU_HEAD_SIZES:
        sizes = ", ".join(map(str, CPU_HEAD_SIZES))
        raise UserError(
            f"config.json has {keys} = {size}: vLLM's CPU attention takes heads of {sizes}; "
            "change it, or take sampler.engine=plain"
        )


def _head_size(values: dict[str, Any]) -> tuple[int | None, str]:
    if values.get("model_type") in _MLA_MODELS:
        size = values.get("qk_nope_head_dim", 128) + values.get("qk_rope_head_dim", 64)
        return size, "qk_nope_head_dim + qk_rope_head_dim"
    if values.get("head_dim"):
        return values["head_dim"], "head_dim"
    if values.get("hidden_size") and values.get("num_attention_heads"):
        size = values["hidden_size"] // values["num_attention_heads"]
        return size, "hidden_size / num_attention_heads"
    return None, ""


def refuse_depth(depth: int, config: SamplerConfig) -> None:
    """Raises UserError where a draft is asked for and the weights hold no MTP layers."""
    if not depth:
        raise UserError(
            f"sampler.draft_tokens={config.draft_tokens}, but the checkpoint's weights hold no MTP "
            "layer (they were saved without): set sampler.draft_tokens=0"
        )


def _refuse_draft(values: dict[str, Any], config: SamplerConfig) -> None:
    if not config.draft_tokens:
        return
    depth = values.get("num_nextn_predict_layers")
    if not depth:
        raise UserError(
            f"sampler.draft_tokens={config.draft_tokens}, but the checkpoint has no MTP layer "
            "(num_nextn_predict_layers in config.json): set sampler.draft_tokens=0"
        )
    if config.draft_tokens > depth and config.draft_tokens % depth:
        raise UserError(
            f"sampler.draft_tokens={config.draft_tokens}: vLLM takes at most {depth} with the "
            f"checkpoint's {depth} MTP layers (num_nextn_predict_layers), or a multiple of that"
        )
    if config.tensor_parallel_size > 1:
        raise UserError(
            f"sampler.draft_tokens={config.draft_tokens} with sampler.tensor_parallel_size="
            f"{config.tensor_parallel_size}: the draft can be checked on one GPU only; "
            "set one of the two to its default"
        )
