"""The reward `reward_model`: the score a sequence-classification model gives the conversation.

The one file here that imports torch, and only where the model is loaded: in a worker process of its
own. Training such a model, and servers that host one, are left out.
"""

import inspect
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from grpo_rewards import tags
from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged, Sample

Dtype = Literal["float32", "bfloat16", "float16"]
Turns = list[dict[str, str]]


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
    head that is not one trained label, and a tokenizer without a chat template.
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
        check=lambda: _check(path),
        on_failure=None,
        batch=judge,
    )


def conversation(sample: Sample, part: str) -> Turns:
    """What was asked and what of the completion is judged, as two turns."""
    asked = sample.columns.get("question")
    prefix = tags.opened_by(sample.prompt)
    said = _answer(sample.text, prefix) if part == "answer" else prefix + sample.text
    return [
        {"role": "user", "content": asked if isinstance(asked, str) else sample.prompt},
        {"role": "assistant", "content": said},
    ]


def _answer(text: str, prefix: str) -> str:
    shown = tags.after_thought(text, prefix).strip()
    answer = tags.answer_block(shown)
    return shown if answer is None else answer


def _judged(logit: float, sigmoid: bool) -> Judged:
    if not math.isfinite(logit):
        return Judged(None, "error")
    value = (1 + math.tanh(logit / 2)) / 2 if sigmoid else logit
    return Judged(value, "correct" if logit > 0 else "wrong")


class RewardModel:
    """A loaded reward model. Not for several threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model = _model(settings)
        self._tokenizer = _tokenizer(settings)
        self._special = _special_tokens(self._tokenizer)
        config = self._model.config.get_text_config()
        if config.pad_token_id is not None:  # the model judges at the last token that is not this
            pad = self._tokenizer.convert_ids_to_tokens(config.pad_token_id)
            self._tokenizer.pad_token = pad
        # Without one it cannot tell where a padded row ends.
        self._batch_size = settings.batch_size if config.pad_token_id is not None else 1
        longest = getattr(config, "max_position_embeddings", None) or settings.max_length
        self._max_length = min(settings.max_length, longest)

    def __call__(self, conversations: Sequence[Turns]) -> list[float]:
        """One logit a conversation, in order; those of like length are judged together."""
        texts = [self._texts(turns) for turns in conversations]
        order = sorted(range(len(texts)), key=lambda at: sum(map(len, texts[at])))
        logits = [0.0] * len(texts)
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            for row, logit in zip(rows, self._logits([texts[at] for at in rows]), strict=True):
                logits[row] = logit
        return logits

    def _texts(self, turns: Turns) -> tuple[str, ...]:
        """The conversation as its template writes it, or its question and answer as they are."""
        turns = [{**turn, "content": self._tame(turn["content"])} for turn in turns]
        if self._settings.chat:
            return (self._tokenizer.apply_chat_template(turns, tokenize=False),)
        return turns[0]["content"], turns[1]["content"]

    def _tame(self, text: str) -> str:
        """Without special tokens, and without half characters, which tokenizers refuse."""
        return self._special.sub(" ", text.encode(errors="replace").decode())

    def _logits(self, rows: Sequence[tuple[str, ...]]) -> list[float]:
        import torch

        encoded = self._tokenizer(
            *([*column] for column in zip(*rows, strict=True)),
            add_special_tokens=not self._settings.chat,  # a template has written its own
            truncation=True,
            max_length=self._max_length,
            padding=len(rows) > 1,
            return_tensors="pt",
        )
        taken = inspect.signature(self._model.forward).parameters
        inputs = {
            name: ids.to(self._model.device) for name, ids in encoded.items() if name in taken
        }
        with torch.inference_mode():
            logits: list[float] = self._model(**inputs).logits[:, 0].float().tolist()
        return logits


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
    tokenizer.truncation_side, tokenizer.padding_side = "left", "right"
    if settings.chat and not tokenizer.chat_template:
        raise RewardError(
            f"the reward model {settings.path!r} has no chat template; set chat: false to give it "
            f"question and answer as they are"
        )
    return tokenizer


def _special_tokens(tokenizer: Any) -> re.Pattern[str]:
    added = tokenizer.added_tokens_decoder.values()
    texts = [re.escape(token.content) for token in added if token.special]
    return re.compile("|".join(texts) or "(?!)")


def _check(path: str) -> None:
    """What can be seen without torch: a folder that is there, with a model of one label."""
    folder = Path(path).expanduser()
    is_folder = folder.is_dir() or path.count("/") != 1 or Path(path).parent.is_dir()
    if not is_folder:
        return  # a hub name, OWNER/NAME
    config = folder / "config.json"
    if not config.is_file():
        raise RewardError(f"there is no reward model in {path!r} (seen from {Path.cwd()})")
    _check_labels(path, len(json.loads(config.read_text()).get("id2label", ("", ""))))


def _check_labels(path: str, labels: int) -> None:
    if labels != 1:
        raise RewardError(
            f"{path!r} is no reward model: its head has {labels} labels, and a score is one"
        )
