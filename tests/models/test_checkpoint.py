from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.home import home_dir
from ehrbench.models.hf import checkpoint
from ehrbench.models.hf.checkpoint import require_weights, resolve, weights_hash
from tests.tiny.files import empty_safetensors


def folder_of(root: Path, weights: str = "weights", config: bytes = b"{}") -> Path:
    root.mkdir(parents=True)
    (root / "config.json").write_bytes(config)
    empty_safetensors(root / "model.safetensors", weights)
    return root


def test_hash_follows_content_and_not_place(tmp_path: Path) -> None:
    a, b = folder_of(tmp_path / "a"), folder_of(tmp_path / "b")
    assert weights_hash(a) == weights_hash(b)
    assert weights_hash(a) != weights_hash(folder_of(tmp_path / "c", "weightz"))
    assert weights_hash(a) != weights_hash(folder_of(tmp_path / "d", config=b'{"rope_theta": 1}'))


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "a")
    first = weights_hash(folder)
    read: list[str] = []
    plain = checkpoint.hash_file
    monkeypatch.setattr(checkpoint, "hash_file", lambda path: (read.append(path.name), plain(path))[1])
    assert weights_hash(folder) == first and read == []
    empty_safetensors(folder / "model.safetensors", "weights")  # same bytes, new time
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert weights_hash(folder) == first and read == ["model.safetensors"]
    for kept in (home_dir() / "hashes").iterdir():
        kept.write_text("torn")
    assert weights_hash(folder) == first and len(read) == 3


def test_the_hubs_own_hash_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    content = empty_safetensors(tmp_path / "weights", "weights").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    folder = tmp_path / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "model.safetensors").symlink_to(blobs / digest)
    read: list[str] = []
    plain = checkpoint.hash_file
    monkeypatch.setattr(checkpoint, "hash_file", lambda path: (read.append(path.name), plain(path))[1])
    assert weights_hash(folder) == weights_hash(folder_of(tmp_path / "copy"))
    assert sorted(read) == ["config.json", "config.json", "model.safetensors"]


def test_safetensors_go_before_pickles(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    assert [file.name for file in require_weights(folder)] == ["model.safetensors"]
    (folder / "model.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    assert [file.name for file in require_weights(folder)] == ["pytorch_model.bin"]


def test_resolving(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a")
    assert resolve(str(folder)) == folder
    with pytest.raises(UsageError, match="is a folder"):
        resolve(str(folder), "main")
    with pytest.raises(MissingError, match="is a file"):
        resolve(str(folder / "config.json"))
