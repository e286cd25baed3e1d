"""The way from the wheel to models/smollm2-135m: the refusals always, the result where it is."""

import importlib.util
import zipfile
from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.model.gguf import FILES, convert, gguf_file, is_complete, main, restore_digits

MODEL = Path(__file__).parents[1] / "models" / "smollm2-135m"
needs_model = pytest.mark.skipif(
    not is_complete(MODEL), reason="models/smollm2-135m is not built: make smollm2"
)
needs_gguf = pytest.mark.skipif(
    importlib.util.find_spec("gguf") is None, reason="the gguf package is absent"
)


def wheel(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"content of {name}")
    return path


def test_the_gguf_inside_a_wheel_is_found(tmp_path):
    packed = wheel(tmp_path / "m.whl", "pkg/__init__.py", "pkg/model.gguf")
    with gguf_file(packed) as file:
        assert (file.name, file.read_text()) == ("model.gguf", "content of pkg/model.gguf")
    assert not file.exists()
    plain = tmp_path / "model.gguf"
    with gguf_file(plain) as file:
        assert file == plain


@pytest.mark.parametrize("names", [("a.py",), ("a.gguf", "b.gguf")])
def test_a_wheel_without_one_gguf_is_refused(tmp_path, names):
    count = sum(name.endswith(".gguf") for name in names)
    with (
        pytest.raises(UserError, match=rf"holds {count} \.gguf files"),
        gguf_file(wheel(tmp_path / "m.whl", *names)),
    ):
        pass


def test_a_broken_download_is_refused(tmp_path):
    (tmp_path / "m.whl").write_bytes(b"PK\x03\x04 cut off")
    with (
        pytest.raises(UserError, match=r"neither a \.gguf file nor a wheel"),
        gguf_file(tmp_path / "m.whl"),
    ):
        pass


def test_the_command_says_what_is_missing_and_exits_2(tmp_path, capsys):
    assert main([str(tmp_path / "no.whl"), str(tmp_path / "out")]) == 2
    assert "no file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="is no finished conversion"):
        convert(wheel(tmp_path / "m.whl", "m.gguf"), out)
    assert (out / "mine.txt").read_text() == "keep"


def test_a_finished_conversion_is_left_alone(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text(name)
    convert(tmp_path / "no-such-wheel.whl", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_without_the_gguf_package_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gguf"):
        convert(wheel(tmp_path / "m.whl", "m.gguf"), tmp_path / "out")


@needs_gguf
def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"not a model" * 10)
    with pytest.raises(UserError, match=r"m\.gguf cannot be read as GGUF"):
        convert(tmp_path / "m.gguf", tmp_path / "out")


@needs_gguf
def test_another_family_is_refused_and_leaves_nothing(tmp_path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tokenizer_pre("llama-bpe")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(UserError, match="pre-tokenizer 'llama-bpe'; only 'smollm'"):
        convert(tmp_path / "m.gguf", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_digits_are_split_again():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({"1": 0, "2": 1, "12": 2}, [("1", "2")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert tokenizer("12")["input_ids"] == [2]
    restore_digits(tokenizer)
    assert tokenizer("12")["input_ids"] == [0, 1]


@needs_model
def test_the_converted_tokenizer():
    from transformers import AutoTokenizer

    from grpo_data.problem import Problem
    from grpo_data.template import render

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    ids = tokenizer("In 1984: 12+7").input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [
        *("In", "Ġ", "1", "9", "8", "4", ":", "Ġ", "1", "2", "+", "7")
    ]
    mixed = "Ünï 你好 12  x\n\ty"
    assert tokenizer.decode(tokenizer(mixed).input_ids) == mixed
    text, ids = render(tokenizer, Problem("0", "2+3?", "5", ""), system="Add.", user="{question}")
    assert text == (
        "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n2+3?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    # Three turns are opened and two are closed; <|im_start|> is 1, <|im_end|> is 2.
    assert (ids.count(1), ids.count(2)) == (3, 2)


@pytest.mark.slow
@needs_model
def test_the_converted_model_answers_in_float32_and_stops():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 2
    assert model.lm_head.weight is model.model.embed_tokens.weight
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 2 + 3?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    drawn = model.generate(**inputs, do_sample=False, max_new_tokens=16)
    reply = drawn[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(reply) == "2 + 3 = 5<|im_end|>"
