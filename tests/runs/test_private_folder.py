"""A run's folder is for its owner and ignored by git, whatever the umask and whatever a kill or a full disk left behind."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrbench.errors import EhrbenchError
from ehrbench.jsonl import Appender, write_atomically, write_private_folder
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import command_line


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param if request.param != 0o777 else 0o277)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "m")
    folder.make()
    appender = Appender(folder.predictions)
    appender.append({"item": "a"})
    appender.close()
    write_atomically(folder.origin, b"{}")
    assert [_mode(path) for path in (folder.path, folder.private)] == [0o700, 0o700]
    assert {path.name: _mode(path) for path in folder.private.iterdir()} == dict.fromkeys(
        (".gitignore", "NOTICE.txt", "predictions.jsonl", "origin.json"), 0o600
    )


def test_an_empty_gitignore_is_repaired_at_the_next_start(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "m")
    folder.make()
    (folder.private / ".gitignore").write_text("")
    folder.make()
    assert (folder.private / ".gitignore").read_text() == "*\n"


def test_a_full_disk_leaves_no_half_gitignore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EhrbenchError, match="no space is left"):
        write_private_folder(tmp_path / "private")
    assert list((tmp_path / "private").iterdir()) == []


def test_what_a_killed_process_left_of_a_file_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    living = f".a[1].json.{os.getppid()}.partial"
    for name in (f".a[1].json.{gone.pid}.partial", living, f".b.json.{gone.pid}.partial"):
        (tmp_path / name).touch()
    write_atomically(tmp_path / "a[1].json", b"{}")
    assert {path.name for path in tmp_path.iterdir()} == {"a[1].json", living, f".b.json.{gone.pid}.partial"}


def test_a_command_names_no_folder_of_the_users() -> None:
    given = ["run", "--model", "/models/llama", "--data-dir", "wards/anna-huber", "--out=/tmp/anna", "--include-path", "x y"]
    assert command_line(given) == "ehrbench run --model llama --data-dir … --out=… --include-path …"
    assert command_line(["run", "--data-dir", "sample"]) == "ehrbench run --data-dir sample"
