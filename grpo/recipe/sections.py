"""The sections of a recipe: one noun each, every number with its meaning, unit and default.

Defaults are DeepSeek-R1's where the paper gives one.
"""

from typing import Any, Literal

from grpo.recipe.base import Section, knob


class Model(Section):
    """The checkpoint a run starts from, and how its weights are held while training."""

    path: str = knob(..., "a folder, a shipped model's name (tiny-base), or a hub name")
    revision: str | None = knob(None, "the hub revision; none: the newest")
    dtype: Literal["float32", "bfloat16", "float16"] = knob("float32", "of the trained weights")
    attention: str = knob("sdpa", "transformers' attn_implementation")
    experts: str = knob("eager", "transformers' experts_implementation, for mixtures of experts")
    gradient_checkpointing: bool = knob(False, "recompute activations: less memory, more time")
    trust_remote_code: bool = knob(False, "run code that comes with the model: only if you read it")


class Decontaminate(Section):
    """The gate before training: problems that stand in a benchmark too are not trained on."""

    against: tuple[str, ...] = knob(..., "benchmarks: names (aime24) or paths", min_length=1)
    question: str | None = knob(None, "a file's question column; none: question, problem, ...")
    split: str = knob("test", "the split of benchmarks from the hub")
    rules: tuple[Literal["exact", "letters", "ngram"], ...] = knob(
        ("exact", "letters", "ngram"),
        "exact: the same text; letters: the same but for signs; ngram: n words in a row",
        min_length=1,
    )
    n: int = knob(10, "words in a row that are too many by chance (R1: 10)", ge=1)
    action: Literal["drop", "stop"] = knob("drop", "leave such problems out, or stop the run")


class Data(Section):
    """Where problems come from and which column is what."""

    path: str = knob(
        ..., "a .jsonl/.json/.parquet/.csv file, a hub name, tiny:KIND,... or reasoning_gym:TASK"
    )
    question: str = knob("question", "the column that holds the question")
    answer: str = knob("answer", "the column that holds the reference answer")
    answer_after: str | None = knob(None, "keep only what follows its last mark (GSM8K: '####')")
    split: str = knob("train", "the hub data set's split for training")
    subset: str | None = knob(None, "the hub data set's configuration")
    held_out: float = knob(0.1, "share of problems held out, by a hash of the problem", ge=0, lt=1)
    held_out_path: str | None = knob(
        None, "a file of its own for held-out; then `held_out` is unused"
    )
    size: int | None = knob(
        None, "how many problems to read or generate; none: all there are", ge=1
    )
    config: dict[str, Any] = knob({}, "settings of the generator `path` names, its seed among them")
    decontaminate: Decontaminate | None = knob(None, "benchmarks to keep out; none: no gate")


class Conversations(Section):
    """Where conversations come from: rows of `prompt` and `completion`, or of `messages`."""

    path: str = knob(..., "a .jsonl/.json/.parquet/.csv file, a hub name, or tiny:cold_start")
    split: str = knob("train", "the hub data set's split")
    subset: str | None = knob(None, "the hub data set's configuration")
    size: int | None = knob(
        None, "how many conversations to read or generate; none: all there are", ge=1
    )
    held_out: float = knob(
        0.0, "share kept for the held-out loss, by a hash of what is asked", ge=0, lt=1
    )
    config: dict[str, Any] = knob({}, "settings of the generator `path` names, its seed among them")


class Prompt(Section):
    """How a problem becomes the policy's input."""

    system: str | None = knob(None, "the system message; none: no such message")
    user: str = knob("{question}", "the user message; {question} and any column may stand in it")
    prefill: str = knob("", "how the assistant's turn begins, e.g. '<think>'; rewards see it too")
    chat: bool = knob(True, "wrap in the tokenizer's chat template; false: the user text alone")


class Sampling(Section):
    """How a completion is drawn."""

    temperature: float = knob(1.0, "softmax temperature (R1-Zero: 1)", gt=0)
    top_p: float = knob(1.0, "nucleus mass; below 1 the importance ratio is biased", gt=0, le=1)
    top_k: int = knob(0, "keep the k likeliest tokens; 0: all", ge=0)
    max_tokens: int = knob(1024, "a completion's longest length, tokens", ge=1)
    stop: tuple[str, ...] = knob((), "texts that end a completion beside the end token")


class Parity(Section):
    """The gate that proves the sampler's policy to be the trainer's."""

    completions: int = knob(8, "fresh completions scored on both sides after each sync", ge=1)
    mean_bound: float | None = knob(None, "largest mean |logp gap|, nats; none: the dtype's", gt=0)
    max_bound: float | None = knob(None, "largest single |logp gap|, nats; none: the dtype's", gt=0)


class SamplerConfig(Section):
    """The engine that draws completions."""

    engine: Literal["vllm", "plain"] = knob("vllm", "vllm: fast; plain: transformers, slow, right")
    dtype: Literal["float32", "bfloat16", "float16"] | None = knob(None, "none: the model's")
    max_model_len: int = knob(2048, "prompt and completion together, tokens", ge=16)
    max_num_seqs: int = knob(256, "completions decoded at once", ge=1)
    kv_cache_gib: float = knob(1.0, "room for keys and values on a CPU, GiB", gt=0)
    enforce_eager: bool = knob(True, "no graph compilation in the engine")
    tensor_parallel_size: int = knob(1, "GPUs one engine is spread over", ge=1)
    gpu_memory_utilization: float = knob(
        0.4, "share of a GPU's memory the engine takes", gt=0, le=1
    )
    draft_tokens: int = knob(0, "tokens an MTP draft proposes a step; 0: no draft", ge=0)
    routed_experts: bool | None = knob(
        None,
        "say which experts each token took (vllm: on GPUs alone); none: plain always, vllm where "
        "a stage's router_replay needs it",
    )
    trust_remote_code: bool = knob(False, "run code that comes with the model: only if you read it")
    parity: Parity = Parity()


class Objective(Section):
    """The loss: group-relative advantages in a clipped surrogate with a KL penalty."""

    loss: Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo"] = knob("grpo", "the policy loss")
    scale: Literal["std", "none"] = knob("std", "divide advantages by the group's std (Bessel)")
    process: str | None = knob(
        None, "the reward whose steps have advantages of their own; none: outcomes alone"
    )
    clip_low: float = knob(0.2, "the ratio is clipped below 1 - clip_low", ge=0)
    clip_high: float = knob(0.2, "and above 1 + clip_high (R1: 10)", ge=0)
    dual: float | None = knob(None, "cap on the ratio where the advantage is negative", gt=1)
    beta: float = knob(0.001, "KL coefficient (R1: 0.001); 0: no reference is held", ge=0)
    kl: Literal["k1", "k2", "k3"] = knob("k3", "the KL estimator (R1: k3)")
    kl_in: Literal["loss", "reward"] = knob("loss", "where the penalty goes (R1: the loss)")
    use_bias_correction_kl: bool = knob(False, "multiply k3 by the ratio, as TRL does by default")
    entropy_coef: float = knob(0.0, "entropy bonus", ge=0)
    correction: Literal["off", "truncate", "mask"] = knob("off", "sampler-to-trainer importance")
    correction_level: Literal["token", "sequence"] = knob("token", "a ratio a token or a sequence")
    correction_cap: float = knob(2.0, "the ratio is truncated, or masked, above this", gt=1)


class Optimizer(Section):
    """AdamW and its schedule."""

    lr: float = knob(3e-6, "peak learning rate (R1-Zero: 3e-6)", gt=0)
    schedule: Literal["constant", "cosine", "linear"] = knob("constant", "after the warm-up")
    final_lr_share: float = knob(0.1, "where cosine and linear end, as a share of lr", ge=0, le=1)
    warmup_steps: int = knob(0, "optimizer steps of linear warm-up", ge=0)
    weight_decay: float = knob(0.0, "decoupled", ge=0)
    betas: tuple[float, float] = knob((0.9, 0.95), "AdamW's moments")
    eps: float = knob(1e-8, "AdamW's epsilon", gt=0)
    max_grad_norm: float = knob(1.0, "the gradient is scaled down to this norm", gt=0)


class Reference(Section):
    """The policy that the KL penalty holds on to."""

    refresh_every: int = knob(400, "steps between replacements by the policy; 0: never", ge=0)


class Refill(Section):
    """Dynamic sampling: groups of equal reward are replaced, surplus ones wait for a step."""

    rounds: int = knob(4, "rounds of drawing a step; after them it goes on with fewer groups", ge=1)


class Checkpoints(Section):
    """When a stage saves and what it keeps."""

    every: int = knob(10, "steps between checkpoints; the last step always has one", ge=1)
    keep_last: int = knob(2, "newest checkpoints kept", ge=1)
    keep_best: bool = knob(True, "keep the one with the best held-out score besides")


class Selection(Section):
    """Which checkpoint of the parent an evaluation takes."""

    checkpoint: Literal["last", "best"] = knob("last", "the newest, or the best on held-out")


class Architecture(Section):
    """A DeepSeek-V3 in small: every mechanism of the big one, narrow."""

    hidden_size: int = knob(128, "model width", ge=8)
    layers: int = knob(4, "decoder layers, the dense first one included", ge=2)
    dense_layers: int = knob(1, "leading layers without experts (V3: 3 of 61)", ge=0)
    heads: int = knob(4, "attention heads", ge=1)
    q_lora_rank: int = knob(64, "rank of the query compression", ge=1)
    kv_lora_rank: int = knob(48, "rank of the key-value latent, what MLA caches", ge=1)
    qk_nope_head_dim: int = knob(24, "query/key dimensions without rotation, a head", ge=2)
    qk_rope_head_dim: int = knob(8, "rotated dimensions, shared by the heads", ge=2)
    v_head_dim: int = knob(32, "value dimensions a head", ge=2)
    intermediate_size: int = knob(384, "width of the dense layers' MLP", ge=8)
    experts: int = knob(8, "routed experts a layer", ge=2)
    experts_per_token: int = knob(2, "of which a token takes", ge=1)
    shared_experts: int = knob(1, "experts every token takes", ge=1)
    expert_size: int = knob(96, "width of one expert", ge=8)
    groups: int = knob(4, "groups of experts; routing is limited to `groups_per_token`", ge=1)
    groups_per_token: int = knob(2, "groups a token may choose in", ge=1)
    mtp_layers: int = knob(1, "D, the depth of multi-token prediction (V3: 1)", ge=0, le=8)
    max_position: int = knob(1024, "longest sequence, tokens", ge=32)


class Llama(Section):
    """A dense Llama in small, such as R1's students are."""

    hidden_size: int = knob(128, "model width", ge=8)
    layers: int = knob(4, "decoder layers", ge=1)
    heads: int = knob(4, "attention heads; vLLM on a CPU takes heads of 32, 64, 80, ...", ge=1)
    kv_heads: int = knob(2, "heads of keys and values, shared by groups of the others", ge=1)
    intermediate_size: int = knob(320, "width of the MLP", ge=8)
    max_position: int = knob(1024, "longest sequence, tokens", ge=32)


class Runtime(Section):
    """The machine."""

    threads: int = knob(0, "CPU threads of the trainer and the sampler; 0: one a core", ge=0)
    keep_memory: bool = knob(
        True, "keep freed memory for the next micro-batch: faster on a CPU, for some memory more"
    )
    reward_workers: int = knob(1, "processes that score completions", ge=1)
    reward_deadline: float = knob(3.0, "CPU seconds a completion may cost to score", gt=0)
    reward_memory_mib: int = knob(1024, "memory a scoring process may take, MiB", ge=128)


class Track(Section):
    """Where metrics go besides metrics.jsonl."""

    to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = knob(
        ("tensorboard",), "trackers to feed; [] for none"
    )
    project: str = knob("grpo-reasoning", "the project's name at the tracker")
