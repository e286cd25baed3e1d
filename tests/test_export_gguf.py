"""A GGUF file of ours in llama.cpp: the same answers as transformers gives, token by token."""

from pathlib import Path
from typing import Any

import pytest
import small_students
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.export import export_checkpoint
from grpo.export.tensors import paired

pytest.importorskip("gguf", reason="the gguf package is absent")
pytest.importorskip("xllamacpp", reason="the xllamacpp package is absent")

from llama_server import LlamaCpp

ROOT = Path(__file__).parents[1]
SMOLLM2 = ROOT / "models" / "smollm2-135m"

PROMPTS = (
    "<|user|>What is 3 + 4?<|end|><|assistant|>",
    "小美有12个苹果。她又买了3个，现在有几个？",
    "Mia has 12 apples and picks 128 more; so the answer is <think>",
)
QUESTIONS = (
    "What is 2 + 3?",
    "Name three colours.",
    "A train goes 60 km in an hour. How far does it go in 3 hours?",
)


def answer(model: Any, prompt: list[int], count: int) -> tuple[list[int], torch.Tensor]:
    """transformers' greedy tokens, and the log-probabilities of the first."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        logprobs = model(ids).logits[0, -1].log_softmax(-1)
        drawn = model.generate(ids, do_sample=False, max_new_tokens=count)
    return drawn[0, len(prompt) :].tolist(), logprobs


def gaps(loaded: LlamaCpp, model: Any, prompts: list[list[int]]) -> list[float]:
    """|difference| of the first token's log-probabilities between the two, nats."""
    found = []
    for prompt in prompts:
        _, logprobs = answer(model, prompt, 1)
        told = loaded.greedy(prompt, 1).logprobs
        found += [abs(logprobs[token].item() - logprob) for token, logprob in told.items()]
    return found


def assert_same_answers(
    loaded: LlamaCpp, model: Any, words: Any, texts: tuple[str, ...], count: int = 24
) -> None:
    """llama.cpp and transformers read the texts alike and answer them with the same tokens."""
    prompts = [words(text)["input_ids"] for text in texts]
    assert [loaded.tokens(text) for text in texts] == prompts
    # llama.cpp ends an answer at a token of this name too, whatever the file says.
    ends = {words.eos_token_id, words.convert_tokens_to_ids("<|endoftext|>")}
    for prompt in prompts:
        theirs, (ours, _) = loaded.greedy(prompt, count), answer(model, prompt, count)
        assert theirs.tokens == ours[: len(theirs.tokens)]
        assert len(theirs.tokens) == count or theirs.tokens[-1] in ends
    measured = gaps(loaded, model, prompts)
    assert measured
    assert max(measured) < 2e-3


@pytest.fixture(scope="module")
def words() -> Any:
    return small_students.tokenizer()


@pytest.fixture(scope="module")
def llama(words: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the plain small Llama."""
    folder = tmp_path_factory.mktemp("llama") / "m"
    small_students.save_student(folder, words)
    return folder


def written(folder: Path, out: Path, dtype: Any = "f32") -> LlamaCpp:
    return LlamaCpp(export_checkpoint(str(folder), "gguf", out=out, dtype=dtype))


@pytest.mark.parametrize("kind", small_students.KINDS)
def test_llama_cpp_answers_as_transformers_does(tmp_path: Path, words: Any, kind: str) -> None:
    model = small_students.save_student(tmp_path / "m", words, kind)
    loaded = written(tmp_path / "m", tmp_path / "m.gguf")
    read = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert_same_answers(loaded, model, read, PROMPTS)


def test_rows_that_rotate_together_come_side_by_side() -> None:
    # Two heads of four: transformers rotates rows 0 with 2 and 1 with 3, then 4 with 6, 5 with 7.
    assert paired(torch.arange(8), 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    rows = torch.arange(8).unsqueeze(1) * torch.ones(1, 3)
    assert paired(rows, 2)[:, 2].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_checkpoint_in_bfloat16_and_several_files(tmp_path: Path, words: Any) -> None:
    model = small_students.save_student(tmp_path / "m", words).bfloat16()
    (tmp_path / "m" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "m", max_shard_size="100KB")
    assert len(list((tmp_path / "m").glob("*.safetensors"))) > 2
    loaded = written(tmp_path / "m", tmp_path / "m.gguf")
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    assert_same_answers(loaded, read, words, PROMPTS)


def test_fewer_bits_are_a_smaller_file_and_nearly_the_same_answer(
    tmp_path: Path, llama: Path, words: Any
) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama)
    prompts = [words(text)["input_ids"] for text in PROMPTS]
    sizes, worst = [], []
    for dtype in ("f32", "f16", "q8_0"):
        loaded = written(llama, tmp_path / f"{dtype}.gguf", dtype)
        sizes.append((tmp_path / f"{dtype}.gguf").stat().st_size)
        worst.append(max(gaps(loaded, model, prompts)))
    # 512 x 64 embeddings, as many for the head, and 2 x (12,288 + 18,432) weights of layers.
    matrices = 2 * 512 * 64 + 2 * (12_288 + 18_432)
    assert sizes[0] - sizes[1] == 2 * matrices
    # Thirty-two weights of q8_0 are 32 bytes and a scale of two.
    assert sizes[1] - sizes[2] == matrices * 2 - matrices // 32 * 34
    assert worst[0] < worst[1] < 0.05
    assert worst[1] < worst[2] < 0.5


def test_rows_that_eight_bits_cannot_block_stay_in_sixteen(tmp_path: Path, words: Any) -> None:
    from gguf import GGUFReader

    small_students.save_student(tmp_path / "m", words, "odd rows")
    written(tmp_path / "m", tmp_path / "m.gguf", "q8_0")
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "m.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == "F16"  # rows of 48
    assert kinds["blk.0.ffn_down.weight"] == "Q8_0"  # rows of 96
    assert kinds["blk.0.attn_norm.weight"] == "F32"


def test_the_same_checkpoint_makes_the_same_file(tmp_path: Path, llama: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        export_checkpoint(str(llama), "gguf", out=tmp_path / name)
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_what_the_file_says_of_itself(tmp_path: Path, llama: Path, words: Any) -> None:
    from gguf import GGUFReader

    (llama / "README.md").write_text("---\nlicense: mit\n---\n")
    export_checkpoint(str(llama), "gguf", out=tmp_path / "m.gguf")
    (llama / "README.md").unlink()
    fields = {
        key: field.contents() for key, field in GGUFReader(tmp_path / "m.gguf").fields.items()
    }
    told = {
        "general.architecture": "llama", "general.name": "m", "general.license": "mit",
        "llama.block_count": 2, "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2, "llama.context_length": 256,
        "llama.vocab_size": 512, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.eos_token_id": 1, "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": False, "tokenizer.chat_template": words.chat_template,
    }  # fmt: skip
    assert {key: fields.get(key) for key in told} == told
    assert "tokenizer.ggml.eot_token_id" not in fields  # an answer ends with the end of text


def test_an_answer_ends_where_the_template_ends_it(tmp_path: Path) -> None:
    from gguf import GGUFReader

    words = small_students.tokenizer()
    words.add_special_tokens({"additional_special_tokens": ["<|eot|>"]})
    words.chat_template = words.chat_template.replace("<|end|>", "<|eot|>")
    small_students.save_student(tmp_path / "m", words)
    export_checkpoint(str(tmp_path / "m"), "gguf", out=tmp_path / "m.gguf")
    fields = GGUFReader(tmp_path / "m.gguf").fields
    assert fields["tokenizer.ggml.eos_token_id"].contents() == 1
    assert fields["tokenizer.ggml.eot_token_id"].contents() == words.convert_tokens_to_ids(
        "<|eot|>"
    )
    assert 'PARAMETER stop "<|eot|>"' in (tmp_path / "m.Modelfile").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not SMOLLM2.is_dir(), reason="models/smollm2-135m is not built: make smollm2")
def test_smollm2_goes_on_as_in_transformers(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(SMOLLM2).eval()
    words = AutoTokenizer.from_pretrained(SMOLLM2)
    loaded = written(SMOLLM2, tmp_path / "m.gguf")
    asked = tuple(
        words.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        for question in QUESTIONS
    )
    assert_same_answers(loaded, model, words, asked, count=32)
    ours, _ = answer(model, words(asked[0])["input_ids"], 32)
    assert loaded.chat(QUESTIONS[0], 32) == words.decode(ours, skip_special_tokens=True)
