"""A run's folder is held by one process at a time, and a disk without locks is named as what it is."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.make()
    return made


def test_a_second_holder_is_told_who_holds_it(folder: RunFolder) -> None:
    with folder.locked():
        with pytest.raises(UsageError, match=rf"another process \(pid {os.getpid()}\) is working on"), folder.locked():
            pass
        with pytest.raises(UsageError, match=rf"pid {os.getpid()}"), folder.locked():
            pass
    with folder.locked():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl is not on Windows")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_disk_that_cannot_lock_is_not_another_process(folder: RunFolder, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(EhrbenchError, match=rf"cannot lock .*{os.strerror(number)}.*--out") as failure, folder.locked():
        pass
    assert "another process" not in str(failure.value)
