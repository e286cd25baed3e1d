"""A hub that cannot be reached: said at once, in one sentence, and its cache still serves."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from huggingface_hub import constants
from small_endpoint import Reply, serving

from grpo.errors import UserError
from grpo.model.load import base_folder
from grpo.recipe.sections import Model
from grpo_data.hub import brief_hub
from grpo_data.sources import load_problems


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An address where nobody answers, with an empty cache; who waits to try again fails."""

    def waits(seconds: float) -> None:
        raise AssertionError(f"it tries again in {seconds} s")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and never listening: refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
        monkeypatch.setattr(time, "sleep", waits)
        yield address


def test_a_data_set_is_one_sentence_with_the_way_out(nobody: str) -> None:
    with pytest.raises(ValueError) as raised:
        load_problems("owner/set")
    assert str(raised.value) == (
        f"'owner/set', no file or folder in {Path.cwd()}, could not be loaded as a data set (split "
        f"'train', subset None): {nobody} cannot be reached ([Errno 111] Connection refused), and "
        "its cache here has no copy; name a file (.jsonl, .json, .parquet, .csv) or a folder."
    )


def test_a_model_is_one_sentence_with_the_way_out(nobody: str) -> None:
    with pytest.raises(UserError) as raised:
        base_folder(Model(path="owner/model"))
    assert str(raised.value) == (
        "model.path: 'owner/model' is no folder, no shipped model and cannot be had from the hub: "
        f"{nobody} cannot be reached ([Errno 111] Connection refused), and its cache here has no "
        "copy; name a folder with the model's files"
    )


def test_a_copy_in_the_cache_is_taken(nobody: str, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--owner--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("1a2b")
    (cached / "snapshots" / "1a2b").mkdir(parents=True)
    (cached / "snapshots" / "1a2b" / "config.json").write_text("{}")
    assert base_folder(Model(path="owner/model")) == cached / "snapshots" / "1a2b"


def test_the_switches_are_put_back(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (True, False):
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", found)
        with brief_hub(datasets.config):
            assert constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE
        assert not constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE is found


def test_a_hub_that_answers_anything_is_left_to_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda *_: Reply(404, {})) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        with brief_hub(datasets.config) as fault:
            assert (fault, constants.HF_HUB_OFFLINE) == ("", False)


def test_whoever_works_offline_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with brief_hub() as fault:
        assert fault == "HF_HUB_OFFLINE is set"
    assert constants.HF_HUB_OFFLINE
