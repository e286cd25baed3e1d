"""Every kind of source gives the same problems, and every broken one a sentence that names it."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from grpo_data.problem import Problem, is_held_out
from grpo_data.sources import GENERATORS, load_problems, split_held_out

SHARED = Path(__file__).parents[2] / "shared" / "data"
ROWS = [
    {"id": "a", "question": "What is 3 + 4?", "answer": "7", "level": 1},
    {"id": "b", "question": "What is  12 - 5?", "answer": "7", "level": 2},
]
PROBLEMS = [
    Problem("a", "What is 3 + 4?", "7", "what is 3 + 4?", {"level": 1}),
    Problem("b", "What is  12 - 5?", "7", "what is 12 - 5?", {"level": 2}),
]


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write_jsonl(path: Path) -> None:
    jsonl(path, *ROWS)


def write_json(path: Path) -> None:
    path.write_text(json.dumps(ROWS, indent=1))


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path, row_group_size=1)


def write_csv(path: Path) -> None:
    path.write_text("id,question,answer,level\na,What is 3 + 4?,7,1\nb,What is  12 - 5?,7,2\n")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("p.jsonl", write_jsonl),
        ("lines.json", write_jsonl),
        ("p.json", write_json),
        ("p.parquet", write_parquet),
        ("p.csv", write_csv),
    ],
)
def test_every_format_gives_the_same_problems(tmp_path, monkeypatch, name, write):
    write(tmp_path / name)
    assert load_problems(str(tmp_path / name)) == PROBLEMS
    monkeypatch.chdir(tmp_path)
    assert load_problems(name, limit=1) == PROBLEMS[:1]


def test_a_folder_is_read_by_split(tmp_path):
    folder = tmp_path / "sums"
    folder.mkdir()
    jsonl(folder / "train.jsonl", ROWS[0])
    jsonl(folder / "test.jsonl", ROWS[1])
    assert load_problems(str(folder), split="train") == PROBLEMS[:1]
    assert load_problems(str(folder), split="test") == PROBLEMS[1:]
    with pytest.raises(ValueError, match=r"folder .*split 'dev'.*Unknown split"):
        load_problems(str(folder), split="dev")


def test_columns_are_named_by_the_caller_and_the_rest_kept(tmp_path):
    row = {"problem": "1 + 1?", "gold": 2, "answer": "free", "steps": ["1 + 1 = 2"]}
    source = jsonl(tmp_path / "p.jsonl", row, {"problem": "x", "gold": 2.5})
    one, two = load_problems(source, question="problem", answer="gold")
    rest = {"answer": "free", "steps": ["1 + 1 = 2"]}
    assert one == Problem("0", "1 + 1?", "2", "1 + 1?", rest)
    assert two == Problem("1", "x", "2.5", "x", {})


def test_the_answer_is_what_follows_the_last_marker(tmp_path):
    source = jsonl(tmp_path / "p.jsonl", {"question": "q", "answer": "#### 3 no,\n#### 1,200 "})
    assert load_problems(source, answer_after="####")[0].answer == "1,200"


def test_a_csv_keeps_the_characters_of_an_answer(tmp_path):
    (tmp_path / "p.csv").write_text('id,question,answer,n\n007,"a\nb",007,3\n8,NA,1.50,4\n')
    one, two = load_problems(str(tmp_path / "p.csv"))
    assert (one.id, one.question, one.answer, one.columns) == ("007", "a\nb", "007", {"n": 3})
    assert (two.question, two.answer) == ("NA", "1.50")


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "answer": 1}\n\n')
    assert [problem.answer for problem in load_problems(str(path))] == ["1"]


def test_a_limit_reads_no_further(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\nbroken\n")
    assert load_problems(str(path), limit=1) == PROBLEMS[:1]


GOOD = '{"question": "q", "answer": "1"}'
BROKEN = {
    "a line cut off": (GOOD + '\n{"question": "q', r"p\.jsonl:2: not valid JSON \(Unterminated"),
    "a line that is no object": (GOOD + "\n[1]", r"p\.jsonl:2: holds a list, not an object"),
    "no rows": ("\n", r"p\.jsonl holds no problems"),
    "a misspelt column": (
        '{"question": "q", "anwser": 1}',
        r"p\.jsonl:1: no column 'answer'; the nearest is 'anwser' \(columns: 'question', 'anwser'",
    ),
    "a column gone half-way": (GOOD + '\n{"answer": "1"}', r"p\.jsonl:2: no column 'question'"),
    "an empty answer": ('{"question": "q", "answer": " "}', r":1: column 'answer' is empty"),
    "a null question": ('{"question": null, "answer": 1}', r":1: column 'question' is empty"),
    "a NaN answer": ('{"question": "q", "answer": NaN}', r":1: column 'answer' is empty"),
    "a list for an answer": ('{"question": "q", "answer": [1]}', r"'answer' holds a list, not"),
    "an id given twice": (
        '{"id": 1, "question": "q", "answer": 1}\n{"id": "1", "question": "r", "answer": 1}',
        r"p\.jsonl:2: the id '1' is that of .*p\.jsonl:1 too",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_sentence(tmp_path, what):
    text, sentence = BROKEN[what]
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_problems(str(tmp_path / "p.jsonl"))
    assert "\n" not in str(caught.value)


def test_a_line_of_another_encoding_is_named(tmp_path):
    (tmp_path / "p.jsonl").write_bytes(GOOD.encode() + b'\n{"question": "caf\xe9"}\n')
    with pytest.raises(ValueError, match=r"p\.jsonl:2: not UTF-8"):
        load_problems(str(tmp_path / "p.jsonl"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [("18", "holds no '####'"), ("so #### ", "holds nothing after its last")],
)
def test_a_missing_marker_is_one_sentence(tmp_path, answer, sentence):
    source = jsonl(tmp_path / "p.jsonl", {"question": "q", "answer": answer})
    with pytest.raises(ValueError, match=rf"p\.jsonl:1: column 'answer' {sentence}"):
        load_problems(source, answer_after="####")


@pytest.mark.parametrize("name", ["p.json", "p.parquet", "p.csv"])
def test_other_formats_name_the_file_too(tmp_path, name):
    (tmp_path / name).write_text('[{"question": ' if name == "p.json" else 'a,b\n1,2,3\n"')
    with pytest.raises(ValueError, match=rf"{name}.*(not valid JSON|not a readable)"):
        load_problems(str(tmp_path / name))


def test_an_unknown_ending_lists_the_known_ones(tmp_path):
    (tmp_path / "p.xls").write_text("")
    with pytest.raises(ValueError, match=r"ends in '\.xls'.*\.jsonl, \.json, \.parquet, \.csv"):
        load_problems(str(tmp_path / "p.xls"))


def test_a_missing_file_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "mawps.jsonl")
    with pytest.raises(FileNotFoundError, match=r"no file mwaps\.jsonl.*nearest.*'mawps\.jsonl'"):
        load_problems("mwaps.jsonl")
    with pytest.raises(FileNotFoundError, match="the folder nowhere does not exist"):
        load_problems("nowhere/mawps.jsonl")


def test_a_hub_name_that_cannot_be_reached_is_one_sentence(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises((ValueError, FileNotFoundError), match="'no/such', no file or folder") as e:
        load_problems("no/such")
    assert "\n" not in str(e.value)


def test_the_tiny_world_is_a_source():
    assert set(GENERATORS) == {"tiny", "reasoning_gym"}
    problems = load_problems("tiny:all", limit=5)
    assert len(problems) == 5
    assert len({problem.id for problem in problems}) == 5


def test_split_follows_the_hash_and_never_the_order():
    problems = [Problem(str(n), f"q{n}", "1", f"q{n}") for n in range(1000)]
    train, held_out = split_held_out(problems, 0.2)
    assert held_out == [p for p in problems if is_held_out(p.key, 0.2)]
    assert sorted(train + held_out, key=lambda p: int(p.id)) == problems
    assert 160 <= len(held_out) <= 240  # 200 expected, sqrt(1000 * 0.2 * 0.8) = 12.6: three sigma
    assert split_held_out(problems[::-1], 0.2)[1] == held_out[::-1]
    # A larger share only adds: what was held out stays so.
    assert set(p.id for p in held_out) <= {p.id for p in split_held_out(problems, 0.3)[1]}
    assert split_held_out(problems, 0) == (problems, [])
    assert split_held_out(problems, 1) == ([], problems)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_is_refused(share):
    with pytest.raises(ValueError, match="must lie in"):
        split_held_out([], share)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared benchmark files are not here")
@pytest.mark.parametrize(
    ("name", "columns", "count", "first"),
    [
        ("easy/mawps_singleop.jsonl", {}, 562, ("singleop-0", "14")),
        ("gsm8k/test.jsonl", {"answer_after": "####"}, 1319, ("0", "18")),
        ("zh/cmath_dev.jsonl", {}, 600, ("cmath-dev-0", "9")),
        ("math/math500.jsonl", {"question": "problem"}, 500, None),
    ],
)
def test_real_files(name, columns, count, first):
    problems = load_problems(str(SHARED / name), **columns)
    assert len(problems) == count
    if first is not None:
        assert (problems[0].id, problems[0].answer) == first
