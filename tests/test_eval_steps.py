"""Process rewards: where steps end, what the exact checker says of them, and trained models."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForTokenClassification,
    PreTrainedModel,
)

from grpo.errors import UserError
from grpo.eval.steps.cut import CLAIMS, PARAGRAPHS, Cut
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import ProcessRewardModel, step_tokens
from grpo.eval.steps.scorer import Thought, reduced

TOKENIZER = Path(__file__).parents[1] / "data" / "models" / "tiny-base"
PROMPT = "<|user|>从7开始，加上5。<|end|><|assistant|>"
STEPS = {"steps": ["7+5=12", "12*2=24"]}


# --- where steps end ---


@pytest.mark.parametrize(
    ("cut", "text", "steps"),
    [
        (CLAIMS, "Easy. 3+4=7. 7*2=14。So 14.", [" 3+4=7.", " 7*2=14。", "So 14."]),
        (CLAIMS, "3+4=7.</think><answer>7</answer>", ["3+4=7.", "</think><answer>7</answer>"]),
        (CLAIMS, "3+4=7. 7*2=1", ["3+4=7.", " 7*2=1"]),
        (CLAIMS, "Easy. I guess seven.", []),
        (CLAIMS, "", []),
        (PARAGRAPHS, "one\n\ntwo. 3\n\n", ["one\n\n", "two. 3\n\n"]),
        (PARAGRAPHS, "one\n\n \n\ntwo", ["one\n\n", "two"]),
        (Cut(("|", "||")), "a||b", ["a|", "|", "b"]),
    ],
)
def test_steps_are_pieces_between_their_ends(cut: Cut, text: str, steps: list[str]) -> None:
    assert [text[first:last] for first, last in cut.spans(text)] == steps


def test_a_long_text_without_an_end_costs_no_more_than_its_length() -> None:
    assert CLAIMS.spans("x" * 200_000) == []
    assert PARAGRAPHS.spans("x" * 200_000) == [(0, 200_000)]


@pytest.mark.parametrize(
    ("how", "value"), [("last", 0.8), ("min", 0.2), ("mean", 0.5), ("product", 0.08)]
)
def test_scores_of_steps_become_one(how: str, value: float) -> None:
    # (0.5 + 0.2 + 0.8) / 3 = 0.5 and 0.5 x 0.2 x 0.8 = 0.08
    assert reduced((0.5, 0.2, 0.8), how) == pytest.approx(value)
    assert reduced((), how) == 0.0


# --- the exact checker ---


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("<think>先算7+5=12。再算12*2=24。所以结果是24。</think>", (1, 1, 1)),
        ("7+5=12. 12*2=24. So 24.</think><answer>24</answer>", (1, 1, 1, 1)),
        ("7+5=12. 12*2=24. So it is 22.", (1, 1, 0)),  # the result of no sum
        ("7+5=12. So 12. Then 12*2=24. So 24.", (1, 0, 1, 1)),  # too soon
        ("First, 7+5=13. Then 13*2=26. So the result is 26.", (0, 0, 0)),  # true, not asked for
        ("First, 7+5=13. Wait, 7+5=12. Then 12*2=24.", (0, 1, 1)),
        ("Check: 7+5=12, and 12*2=24.", (1,)),  # two in one sentence
        ("It is 7+5=12, so 12*2=25.", (0,)),
        ("Then 12*2=24.", (0,)),  # not yet
        ("x=12.", (0,)),  # says something is equal, and no equation
        ("The answer is 24.", (0,)),  # a guess
        ("It is easy.", ()),
        ("", ()),
    ],
)
def test_the_checker_s_word_on_each_sentence(text: str, scores: tuple[float, ...]) -> None:
    assert ExactSteps().score([Thought(PROMPT, text, STEPS)]) == [scores]


def test_the_checker_knows_the_tiny_world_alone() -> None:
    with pytest.raises(UserError, match="have a column 'steps'; this one has level"):
        ExactSteps().score([Thought("3 + 4?", "3+4=7.", {"level": 1})])


# --- trained ---


def classifier(labels: int = 2, **config: object) -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3}
    made = LlamaConfig(**sizes, **heads, vocab_size=1024, num_labels=labels)
    for name, value in config.items():
        setattr(made, name, value)
    return LlamaForTokenClassification(made).eval()


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(folder)
    return folder


def test_the_place_of_a_step_is_its_last_token() -> None:
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    text = "<think>先算7+5=12。Then 12*2=24. So 24.</think>"
    ids, places = step_tokens(tokenizer, PROMPT, text, CLAIMS)
    read = [tokenizer.decode(ids[: place + 1]) for place in places]
    assert [one.removeprefix(PROMPT) for one in read] == [
        "<think>先算7+5=12。",
        "<think>先算7+5=12。Then 12*2=24.",
        "<think>先算7+5=12。Then 12*2=24. So 24.",
    ]
    # 猫 is no token of this tokenizer: its three bytes are, and the last of them ends the step.
    ids, places = step_tokens(tokenizer, "", "1=1猫2", Cut(("猫",), holding="="))
    assert tokenizer.decode(ids[: places[0] + 1]) == "1=1猫"
    assert tokenizer.decode(ids[: places[0]]) != "1=1猫"


def test_scores_are_chances_of_right_read_from_what_came_before(tmp_path: Path) -> None:
    cut = Cut((".", "。"), holding="=")
    told = {"step_ends": list(cut.ends), "step_holding": cut.holding}
    folder = saved(classifier(**told), tmp_path / "prm")
    model = LlamaForTokenClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["First, 7+5=12. Then 12*2=24. So 24.", "I guess 24.", "先算7+5=12。", ""]
    # Two rows a batch at the most; the answer is the same as for each alone.
    found = ProcessRewardModel(folder, "cpu", tokens=80).score([Thought(PROMPT, t) for t in texts])
    assert [len(scores) for scores in found] == [2, 0, 1, 0]
    for text, scores in zip(texts, found, strict=True):
        for (_, end), score in zip(cut.spans(text), scores, strict=True):
            ids = tokenizer(PROMPT + text[:end], add_special_tokens=False, return_tensors="pt")
            with torch.inference_mode():
                logits = model(ids["input_ids"]).logits[0, -1]
            assert score == pytest.approx(float(logits.softmax(-1)[1]), abs=1e-5)
    assert len({score for scores in found for score in scores}) == 3


def test_without_a_word_on_steps_they_are_paragraphs(tmp_path: Path) -> None:
    model = ProcessRewardModel(saved(classifier(), tmp_path / "prm"), "cpu")
    assert model.cut == PARAGRAPHS
    found = model.score([Thought("q", "one\n\ntwo\n\n"), Thought("q", "1=1.")])
    assert [len(scores) for scores in found] == [2, 1]


def test_what_is_no_process_reward_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds no process reward model"):
        ProcessRewardModel(tmp_path / "empty")
    with pytest.raises(UserError, match="its head has 3 labels, not wrong and right"):
        ProcessRewardModel(saved(classifier(3), tmp_path / "three"))
    base = LlamaForCausalLM(classifier().config)
    with pytest.raises(UserError, match=r"lacks score\.bias, score\.weight, so its scores are"):
        ProcessRewardModel(saved(base, tmp_path / "base"))


def test_a_thought_beyond_the_window(tmp_path: Path) -> None:
    folder = saved(classifier(max_position_embeddings=20), tmp_path / "prm")
    with pytest.raises(UserError, match=r"tokens .* does not fit into the 20 that prm reads"):
        ProcessRewardModel(folder, "cpu").score([Thought("", "3+4=7. " * 9)])
