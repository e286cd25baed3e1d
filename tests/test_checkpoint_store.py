"""Finding the newest and the best whole checkpoint, skipping broken ones, pruning."""

import ast
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo.checkpoint.mark import MARK
from grpo.checkpoint.store import BrokenCheckpointWarning, CheckpointStore

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_unexpected_warning() -> None:
    warnings.simplefilter("error", BrokenCheckpointWarning)


def save(store: CheckpointStore, step: int, score: float | None = None) -> Path:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"weights of %d" % step)
        (folder / "trainer").mkdir()
        (folder / "trainer" / "state.json").write_text(json.dumps({"step": step}))

    return store.save(step, write, score=score)


def steps(store: CheckpointStore) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in store.root.iterdir())


def test_an_empty_store(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "none", keep_last=1, keep_best=True)
    assert store.latest() is None and store.best() is None
    store.prune()
    assert not store.root.exists()


def test_keep_last_must_keep_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_last is 0"):
        CheckpointStore(tmp_path, keep_last=0, keep_best=True)


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=3, keep_best=True)
    path = save(store, 40, score=0.61)
    found = store.latest()
    assert found is not None
    assert path == tmp_path / "step-000040" == found.path
    assert (found.step, found.score) == (40, 0.61)
    assert found.bytes == len("weights of 40") + len('{"step": 40}') == 13 + 12
    assert found.trainer == path / "trainer" and found.reference is None
    (path / "trainer" / "reference").mkdir()
    assert found.reference == path / "trainer" / "reference"


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=5, keep_best=False)
    for step in (1_000_000, 999_999):  # as text, step-1000000 sorts before step-999999
        save(store, step)
    found = store.latest()
    assert found is not None and found.step == 1_000_000


def test_keep_last_and_best(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=2, keep_best=True)
    left = []
    for step, score in enumerate([0.1, 0.7, 0.3, None, 0.7, 0.2, float("nan"), 0.4], start=1):
        save(store, step, score)
        left.append(steps(store))
    # 2 is best until 5 equals it and is newer; no score and NaN are never best.
    assert left == [[1], [1, 2], [2, 3], [2, 3, 4], [4, 5], [5, 6], [5, 6, 7], [5, 7, 8]]
    best = store.best()
    assert best is not None and (best.step, best.score) == (5, 0.7)


def test_without_keep_best_only_the_last_stay(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=2, keep_best=False)
    for step, score in enumerate([0.9, 0.1, 0.2], start=1):
        save(store, step, score)
    assert steps(store) == [2, 3]


def truncate(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights")


def lose_a_file(folder: Path) -> None:
    (folder / "trainer" / "state.json").unlink()


def lose_the_mark(folder: Path) -> None:
    (folder / MARK).unlink()


def halve_the_mark(folder: Path) -> None:
    (folder / MARK).write_text((folder / MARK).read_text()[:40])


def flip_a_bit(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"Weights of 3")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "model.safetensors has 7 bytes, 12 were written"),
        (lose_a_file, "trainer/state.json cannot be read"),
        (lose_the_mark, "no COMPLETE.json"),
        (halve_the_mark, "COMPLETE.json cannot be read"),
        (flip_a_bit, "SHA-256 differs"),
    ],
)
def test_a_broken_newest_is_skipped_with_a_warning(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    store = CheckpointStore(tmp_path, keep_last=3, keep_best=False)
    for step in (1, 2, 3):
        save(store, step)
    damage(tmp_path / "step-000003")
    with pytest.warns(BrokenCheckpointWarning, match=f"step-000003 is broken .*{said}"):
        found = store.latest()
    assert found is not None and found.step == 2
    save(store, 3)  # the resumed run comes to the same step
    again = store.latest()
    assert again is not None and again.step == 3


def test_without_hashes_only_sizes_are_compared(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=1, keep_best=False)
    save(store, 3)
    flip_a_bit(tmp_path / "step-000003")
    found = store.latest(hashes=False)
    assert found is not None and found.step == 3


def test_a_broken_best_gives_way_to_the_next(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=3, keep_best=True)
    for step, score in ((1, 0.5), (2, 0.4), (3, 0.9)):
        save(store, step, score)
    flip_a_bit(tmp_path / "step-000003")
    with pytest.warns(BrokenCheckpointWarning, match="step-000003"):
        best = store.best()
    assert best is not None and best.step == 1


def test_broken_checkpoints_do_not_count_as_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep_last=2, keep_best=False)
    save(store, 1)
    save(store, 2)
    truncate(tmp_path / "step-000002")
    save(store, 3)
    assert steps(store) == [1, 2, 3]


def test_the_package_unpickles_nothing() -> None:
    banned = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    calls = {"torch.load", "torch.save", "torch.serialization.load"}
    found = []
    for file in (ROOT / "grpo").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {str(node.module)}
            else:
                names = {ast.unparse(node)} & calls if isinstance(node, ast.Attribute) else set()
            found += [f"{file}: {name}" for name in names & (banned | calls)]
    assert found == []
