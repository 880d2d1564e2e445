"""A UTF-16 file is called one, with the command that converts it, by every reader; with a byte-order mark or without."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from ehrbench.correlation.ratings import read_ratings
from ehrbench.errors import UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.models.offline.replay import load as load_replay
from ehrbench.readers.jsonl import read as read_jsonl
from ehrbench.records.safe_xml import read_text
from ehrbench.suites.meds_bench.submission.reader import read_submission
from ehrbench.tasks.catalog import load_catalog
from ehrbench.text_files import is_utf16

ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be")
TABLE = "item,rater,system,rank\n1,a,x,1\n1,a,y,2\n"
PATIENTS = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n1,F,50,2150,2011 - 2013,\n"
Read = Callable[[Path], object]
READERS: dict[str, tuple[str, str, Read]] = {
    "ratings": ("r.csv", TABLE, read_ratings),
    "record": ("r.xml", '<eventstream person_id="1"/>', lambda path: read_text(path, "the record")),
    "items": (
        "i.jsonl",
        '{"id": "1", "question": "?", "answer": "a"}\n',
        lambda path: read_jsonl(path.parent, {"file": path.name}),
    ),
    "replay": ("r.jsonl", '{"id": "1", "answer": "a"}\n', lambda path: load_replay(str(path), {}, None)),
    "submission": ("s.csv", "task_id,prompt,gt,output\ntask1,a,b,c\n", read_submission),
    "mimic": ("patients.csv", PATIENTS, lambda path: Mimic(path.parent).columns("patients")),
    "task": ("t.yaml", "task: mine\n", lambda path: load_catalog([path.parent])),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("reader", READERS)
def test_utf16_is_named(reader: str, encoding: str, tmp_path: Path) -> None:
    name, text, read = READERS[reader]
    (tmp_path / name).write_bytes(text.encode(encoding))
    with pytest.raises(UsageError, match=r"is UTF-16 text, and UTF-8 is needed.*iconv -f UTF-16 -t UTF-8") as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_utf16_is_named_in_a_compressed_table(tmp_path: Path) -> None:
    (tmp_path / "patients.csv.gz").write_bytes(gzip.compress(PATIENTS.encode("utf-16")))
    with pytest.raises(UsageError, match=r"patients\.csv\.gz is UTF-16 text"):
        Mimic(tmp_path).columns("patients")


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"item,rank\n", "Größe".encode(), b"\0\0\0\0", b"\x1f\x8b\x08\0", b"a\0b"])
def test_nothing_else_is_taken_for_utf16(data: bytes) -> None:
    assert not is_utf16(data)
