from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.readers import READERS
from ehrbench.readers.jsonl import read
from tests.suites.medalign.release import RECORD


def write(folder: Path, *lines: Any, name: str = "items.jsonl") -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_every_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "id": "a",
            "question": "Q?",
            "answer": "yes",
            "choices": ["yes", "no"],
            "group": 7,
            "unit": "mg",
            "record": "2016-03-01 Note é",
        },
        "",
        {"id": 2, "question": "R?", "answers": ["x", 1.5], "labels": ["l", "m"], "level": "hard", "record_file": "notes/r.txt"},
        {"id": "c", "question": "S?", "answer": 3, "record": "2016-03-01 Note é", "record_file": None},
    )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "r.txt").write_text("one\n\ntwo", encoding="utf-8-sig")
    dataset = READERS.get("jsonl")(tmp_path, {"meta": ["level"]})
    first, second, third = dataset.items
    assert (first.id, first.question, first.references, first.choices, first.group) == ("a", "Q?", ("yes",), ("yes", "no"), "7")
    assert (first.slots, second.slots, second.meta) == ({"unit": "mg"}, {}, {"level": "hard"})
    assert (second.id, second.references, second.labels, third.references) == ("2", ("x", "1.5"), ("l", "m"), ("3",))
    assert first.record_id == third.record_id and second.record_id == "notes/r.txt"
    assert dataset.load_record is not None and first.record_id and second.record_id
    assert dataset.load_record(first.record_id).text == "2016-03-01 Note é"
    assert [entry.kind for entry in dataset.load_record(second.record_id).entries] == ["text", "text"]
    assert [path.name for path in dataset.files] == ["items.jsonl", "r.txt"]
    assert dataset.warnings == ()


def test_other_names_another_file_and_xml_records(tmp_path: Path) -> None:
    write(tmp_path, {"qid": "1", "prompt": "Q?", "gold": "A", "chart": "r.xml", "id": "not the id"}, name="q.jsonl")
    (tmp_path / "r.xml").write_text(RECORD.format(patient=1))
    options = {"file": "q.jsonl", "fields": {"id": "qid", "question": "prompt", "answer": "gold", "record_file": "chart"}}
    assert read.recognises(tmp_path, options) and not read.recognises(tmp_path, {})
    dataset = read(tmp_path, options | {"rendering": "compact"})
    assert (dataset.items[0].id, dataset.items[0].references, dataset.items[0].slots) == ("1", ("A",), {"id": "not the id"})
    assert dataset.load_record is not None and dataset.load_record("r.xml").text == "2016-03-01 10:00 note: x"


def test_items_without_record_or_gold(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, {"id": "1", "question": "Q?"}), {})
    assert dataset.load_record is None and dataset.items[0].record_id is None
    assert dataset.warnings == ("items.jsonl: 1 items have neither answer nor labels",)


Q = {"id": "1", "question": "secret canary?"}
FAULTS = {
    "not JSON": ([Q, '{"id": "2", "question": "secret canary'], r"items\.jsonl:2: not JSON at column \d+"),
    "a list": (["[1]"], r":1: expected an object"),
    "NaN": (['{"id": "1", "question": "Q", "answer": NaN}'], "not JSON .NaN"),
    "half a surrogate": (['{"id": "1", "question": "\\ud83d"}'], "half of a surrogate pair"),
    "too deep": (["[" * 100_000], r":1: not JSON"),
    "no id": ([{"question": "Q?"}], r":1: no 'id'; if the key has another name, give it in data.options.fields.id"),
    "no question": ([{"id": "1", "question": ""}], "no 'question'"),
    "an id with blanks": ([{"id": "a b", "question": "Q?"}], "printable characters without blanks"),
    "twice": ([Q, "", Q], r":3: the id 1 is there already, on line 1"),
    "answer and answers": ([Q | {"answer": "a", "answers": ["b"]}], "both 'answer' and 'answers'"),
    "record and record_file": ([Q | {"record": "a", "record_file": "b"}], "both 'record' and 'record_file'"),
    "answer a list": ([Q | {"answer": ["a"]}], "'answer' is a list; expected text or a number"),
    "answer a truth value": ([Q | {"answer": True}], "'answer' is a bool"),
    "choices a text": ([Q | {"choices": "ab"}], "'choices' is a str; expected a list"),
    "a way up": ([Q | {"record_file": "../secret.txt"}], "leads out of the data folder"),
    "from the root": ([Q | {"record_file": "/etc/passwd"}], "leads out of the data folder"),
    "a link": ([Q | {"record_file": "link.txt"}], "leads out of the data folder"),
    "a zero byte": ([Q | {"record_file": "a\0b"}], "leads out of the data folder"),
    "no such record": ([Q | {"record_file": "none.txt"}], r":1: the record file that 'record_file' names is not in"),
    "nothing": (["", " "], "holds no question"),
}


@pytest.mark.parametrize("lines, message", FAULTS.values(), ids=FAULTS)
def test_faults_name_file_and_line_and_no_text(tmp_path: Path, lines: list[Any], message: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret canary")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(EhrbenchError, match=message) as caught:
        read(write(folder, *lines), {})
    assert "canary" not in str(caught.value)


def test_other_encodings_options_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_bytes(b'{"id": "1", "question": "\xe9"}\n')
    with pytest.raises(UsageError, match=r"items\.jsonl:1: the line is not UTF-8"):
        read(tmp_path, {})
    with pytest.raises(MissingError, match=r"none\.jsonl is not there"):
        read(tmp_path, {"file": "none.jsonl"})
    with pytest.raises(UsageError, match=r"data\.options\.file is '\.\./x', which leads out"):
        read(tmp_path, {"file": "../x"})
    with pytest.raises(UsageError, match=r"unknown key of data\.options 'fiel' \(did you mean"):
        read(tmp_path, {"fiel": "x"})
    with pytest.raises(UsageError, match="unknown key 'anser'"):
        read(tmp_path, {"fields": {"anser": "x"}})
    with pytest.raises(UsageError, match="rendering is 'x'"):
        read(tmp_path, {"rendering": "x"})


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5), ascii_only=st.booleans())
def test_texts_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, str]], ascii_only: bool
) -> None:
    rows = [{"id": str(i), "question": q, "answer": a, "record": r} for i, (q, a, r) in enumerate(texts)]
    folder = tmp_path_factory.mktemp("jsonl")
    (folder / "items.jsonl").write_bytes("".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows).encode("utf-8"))
    dataset = read(folder, {})
    assert dataset.load_record is not None
    assert [
        (item.question, item.references[0], dataset.load_record(item.record_id or "").text) for item in dataset.items
    ] == texts
