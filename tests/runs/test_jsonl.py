from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.jsonl import Appender, encode, read_rows, repair, write_atomically, write_rows

ROWS = [{"item": "a", "text": "line\nbreak"}, {"item": "b", "text": "snow ☃"}, {"item": "c", "text": ""}]


def test_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    appender = Appender(path)
    for row in ROWS:
        appender.append(row)
    assert list(read_rows(path)) == ROWS, "readable before the file is closed"
    appender.close()
    write_rows(tmp_path / "copy.jsonl", read_rows(path))
    assert (tmp_path / "copy.jsonl").read_bytes() == path.read_bytes()


@given(cut=st.integers(min_value=0, max_value=200))
def test_a_file_cut_anywhere_keeps_its_whole_lines_and_takes_new_ones(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "rows.jsonl"
    content = b"".join(encode(row) for row in ROWS)
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert list(read_rows(path)) == ROWS[:whole]
    appender = Appender(path)
    appender.append({"item": "new"})
    appender.close()
    assert list(read_rows(path)) == [*ROWS[:whole], {"item": "new"}]


def test_repair_looks_behind_a_long_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(encode(ROWS[0]) + b'{"text": "' + b"x" * 200_000)
    repair(path)
    assert path.read_bytes() == encode(ROWS[0])


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(encode(ROWS[0]) + b"secret words\n" + encode(ROWS[1]))
    with pytest.raises(UsageError, match=r"rows\.jsonl:2") as caught:
        list(read_rows(path))
    assert "secret" not in str(caught.value)


def test_surrogates_survive(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, [{"text": "broken \ud800 half"}])
    assert json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))["text"] == "broken \ud800 half"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    link = tmp_path / "rows.jsonl"
    link.symlink_to("/dev/full")
    appender = Appender.__new__(Appender)
    appender.__dict__.update(_path=link, _file=link.open("ab", buffering=0), _lock=__import__("threading").Lock(), _synced=1e18)
    with pytest.raises(EhrbenchError, match="no space is left"):
        appender.append({"item": "a"})


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(EhrbenchError, match="no space is left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
