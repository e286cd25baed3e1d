"""The reward `reward_model`: the score a sequence-classification model gives the conversation.

The one file here that imports torch, and only where the model is loaded: in a worker process of its
own. Training such a model, and servers that host one, are left out.
"""

import inspect
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward
from grpo_rewards.shown import Reader, Turns, conversation
from grpo_rewards.verdict import Judged, Sample

Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Settings:
    """What a reward model is loaded by.

    >>> Settings("models/helpful", None, True, "cpu", "float32", 8, 4096)
    """

    path: str
    revision: str | None
    chat: bool
    device: str
    dtype: Dtype
    batch_size: int
    max_length: int


def reward_model(
    *,
    path: str,
    revision: str | None = None,
    part: Literal["completion", "answer"] = "completion",
    chat: bool = True,
    sigmoid: bool = False,
    device: str = "auto",
    dtype: Dtype = "float32",
    batch_size: int = 8,
    max_length: int = 4096,
) -> RuleReward:
    """The logit of the model at `path` (a folder, a hub name), any real number; "correct" above 0.

    Any of transformers' AutoModelForSequenceClassification with one label. It is given the question
    (the column of that name, else the prompt's last turn) and the completion, in its own chat
    template, or as a plain pair of texts with chat=False; special tokens in them are left out, so
    that a completion cannot write a turn of its own. `part` is what it sees of the completion: R1
    judges helpfulness by the "answer" (what follows the thought) and harmlessness by the whole.

    sigmoid=True puts the value in [0, 1]. `device` is torch's name, "auto" a GPU where there is
    one. Of more than `max_length` tokens the last are kept. A completion it fails on has no value.
    Two in one recipe differ by what follows an @: `reward_model@helpful`, `reward_model@harmless`.

    Raises ValueError for a number below 1; when loaded, RewardError for a folder without a model, a
    head that is not one trained label, and a tokenizer without a chat template or with more tokens
    than the model. One of fewer tokens cannot be told from a padded embedding.
    """
    if batch_size < 1 or max_length < 1:
        got = f"{batch_size} and {max_length}"
        raise ValueError(f"batch_size and max_length must be 1 or more, got {got}")
    settings = Settings(path, revision, chat, device, dtype, batch_size, max_length)

    def judge(samples: Sequence[Sample]) -> list[Judged]:
        logits = _load(settings)([conversation(sample, part) for sample in samples])
        return [_judged(logit, sigmoid) for logit in logits]

    return RuleReward(
        "reward_model",
        quick=lambda sample: None,
        prepare=lambda: _load(settings),
        check=lambda: check_folder(path),
        on_failure=None,
        batch=judge,
    )


def _judged(logit: float, sigmoid: bool) -> Judged:
    if not math.isfinite(logit):
        return Judged(None, "error")
    value = (1 + math.tanh(logit / 2)) / 2 if sigmoid else logit
    return Judged(value, "correct" if logit > 0 else "wrong")


class RewardModel:
    """A loaded reward model. Not for several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._model = _model(settings)
        tokenizer = _tokenizer(settings)
        config = self._model.config.get_text_config()
        _check_vocabulary(settings.path, tokenizer.vocab_size, config.vocab_size)
        if config.pad_token_id is not None:  # the model judges at the last token that is not this
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.pad_token_id)
        # Without one it cannot tell where a padded row ends.
        self._batch_size = settings.batch_size if config.pad_token_id is not None else 1
        self._reader = Reader(tokenizer, settings.chat, room(config, settings.max_length))

    def __call__(self, conversations: Sequence[Turns]) -> list[float]:
        """One logit a conversation, in order; those of like length are judged together."""
        texts = [self._reader.texts(turns) for turns in conversations]
        order = sorted(range(len(texts)), key=lambda at: sum(map(len, texts[at])))
        logits = [0.0] * len(texts)
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            for row, logit in zip(rows, self._logits([texts[at] for at in rows]), strict=True):
                logits[row] = logit
        return logits

    def _logits(self, rows: Sequence[tuple[str, ...]]) -> list[float]:
        import torch

        encoded = self._reader.encoded(rows, padding=len(rows) > 1, return_tensors="pt")
        taken = inspect.signature(self._model.forward).parameters
        inputs = {
            name: ids.to(self._model.device) for name, ids in encoded.items() if name in taken
        }
        with torch.inference_mode():
            logits: list[float] = self._model(**inputs).logits[:, 0].float().tolist()
        return logits


def room(config: Any, max_length: int) -> int:
    """The tokens that fit: `max_length`, unless the model has fewer positions."""
    return min(max_length, getattr(config, "max_position_embeddings", None) or max_length)


@cache
def _load(settings: Settings) -> RewardModel:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # a worker's would be drawn across the run's own
    try:
        return RewardModel(settings)
    except (OSError, ValueError) as error:
        if isinstance(error, RewardError):
            raise
        why = str(error).partition("\n")[0]
        raise RewardError(f"reward model {settings.path!r} cannot be loaded: {why}") from error


def _model(settings: Settings) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    model, told = AutoModelForSequenceClassification.from_pretrained(
        str(Path(settings.path).expanduser()),
        revision=settings.revision,
        dtype=getattr(torch, settings.dtype),
        output_loading_info=True,
    )
    _check_labels(settings.path, model.config.num_labels)
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"]))
        raise RewardError(
            f"{settings.path!r} is no reward model: it lacks {missing}, so its score is untrained"
        )
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(auto if settings.device == "auto" else settings.device).eval()


def _tokenizer(settings: Settings) -> Any:
    from transformers import AutoTokenizer

    path = str(Path(settings.path).expanduser())
    tokenizer = AutoTokenizer.from_pretrained(path, revision=settings.revision)
    if settings.chat and not tokenizer.chat_template:
        raise RewardError(
            f"the reward model {settings.path!r} has no chat template; set chat: false to give it "
            f"question and answer as they are"
        )
    return tokenizer


def check_folder(path: str) -> None:
    """Raises RewardError for what can be seen to be wrong without torch: a folder that is not
    there, a model of several labels, a tokenizer with tokens that the model has no embedding for.
    """
    folder = Path(path).expanduser()
    is_folder = folder.is_dir() or path.count("/") != 1 or Path(path).parent.is_dir()
    if not is_folder:
        return  # a hub name, OWNER/NAME
    if not (folder / "config.json").is_file():
        raise RewardError(f"there is no reward model in {path!r} (seen from {Path.cwd()})")
    config = json.loads((folder / "config.json").read_text())
    _check_labels(path, len(config.get("id2label", ("", ""))))
    tokenizer = folder / "tokenizer.json"
    if "vocab_size" in config and tokenizer.is_file():
        tokens = json.loads(tokenizer.read_text())["model"]["vocab"]
        _check_vocabulary(path, len(tokens), config["vocab_size"])


def _check_labels(path: str, labels: int) -> None:
    if labels != 1:
        raise RewardError(
            f"{path!r} is no reward model: its head has {labels} labels, and a score is one"
        )


def _check_vocabulary(path: str, tokens: int, embeddings: int) -> None:
    # Added tokens are not counted: some models have more of those than they ever read.
    if tokens > embeddings:
        raise RewardError(
            f"the tokenizer in {path!r} is another model's: it has {tokens:,} tokens, and the "
            f"reward model has embeddings for {embeddings:,}"
        )
