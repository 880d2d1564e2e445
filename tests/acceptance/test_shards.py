"""A run in parts, side by side, and the same run in one piece."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.readers.item import Item
from ehrbench.runs.shards import Shard, parse_shard, shard_items
from tests.acceptance.chart import TOKENIZER, command, ehrbench, environment, final_files, rows, run_folders, write_release
from tests.support.server import Server


def arguments(server: Server, data: Path, out: Path, *more: object) -> list[object]:
    return [
        *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", out, "--context", "refine"),
        *("--max-model-len", 2048, "--budget-tokenizer", TOKENIZER, "--metrics", "rouge_l", "--quiet"),
        *("--model-arg", f"base_url={server.url}", *more),
    ]


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), max_size=40), st.integers(1, 7))
def test_shards_are_a_partition_that_keeps_records_together(records: Sequence[str | None], count: int) -> None:
    items = [Item(id=str(n), record_id=record, question="q") for n, record in enumerate(records)]
    parts = [shard_items(items, Shard(index, count)) for index in range(1, count + 1)]
    assert sorted(place for part in parts for place, _ in part) == list(range(len(items)))
    for part in parts:
        assert [item for _, item in part] == [items[place] for place, _ in part]
    for record in set(records) - {None}:
        assert sum(any(item.record_id == record for _, item in part) for part in parts) == 1
    groups = [len({item.record_id or item.id for _, item in part}) for part in parts]
    assert max(groups) - min(groups) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", ""])
def test_a_shard_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="expected i/n"):
        parse_shard(text)


def test_shards_merge_into_the_run_in_one_piece(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=5, questions=2, entries=30)
    with Server() as server:
        whole = ehrbench(*arguments(server, data, tmp_path / "whole"), home=tmp_path / "home")
        assert whole.returncode == 0, whole.stderr
        calls = server.stats()["calls"]
        processes = [
            subprocess.Popen(
                command(*arguments(server, data, tmp_path / "parts", "--shard", f"{n}/3")),
                env=environment(tmp_path / "home"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n in (1, 2)
        ]
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        early = ehrbench("merge", tmp_path / "parts", home=tmp_path / "home")
        assert early.returncode == 2
        assert "1 of 3 shards are not there (3/3)" in early.stderr
        last = ehrbench(*arguments(server, data, tmp_path / "elsewhere", "--shard", "3/3"), home=tmp_path / "home")
        assert last.returncode == 0, last.stderr
        assert server.stats()["calls"] == 2 * calls
    (third,) = run_folders(tmp_path / "elsewhere")
    assert "rouge" not in last.stdout
    merged = ehrbench(
        "merge", tmp_path / "parts", tmp_path / "elsewhere", "--metrics", "rouge_l", "--quiet", home=tmp_path / "home"
    )
    assert merged.returncode == 0, merged.stderr
    (one,) = run_folders(tmp_path / "whole")
    other = next(folder for folder in run_folders(tmp_path / "parts") if folder.name == one.name)
    assert final_files(one) == final_files(other)
    # A shard that is not finished, and one that is there twice.
    predictions = third / "private" / "predictions.jsonl"
    lines = predictions.read_bytes().split(b"\n")
    predictions.write_bytes(b"\n".join([*lines[:-2], b""]))
    unfinished = ehrbench("merge", tmp_path / "parts", tmp_path / "elsewhere", home=tmp_path / "home")
    assert unfinished.returncode == 2
    assert "have no answer yet" in unfinished.stderr
    assert final_files(one) == final_files(other)
    shutil.copytree(third, other.parent / third.name)
    twice = ehrbench("merge", tmp_path / "parts", tmp_path / "elsewhere", home=tmp_path / "home")
    assert twice.returncode == 2
    assert "there twice" in twice.stderr


def test_items_that_failed_in_a_shard_are_asked_again_by_the_run_in_one_piece(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=4)
    with Server(poison="tangent 1") as server:
        for n in (1, 2):
            part = ehrbench(*arguments(server, data, tmp_path / "out", "--shard", f"{n}/2"), home=tmp_path / "home")
            assert part.returncode == 5
        merged = ehrbench("merge", tmp_path / "out", "--metrics", "rouge_l", "--quiet", home=tmp_path / "home")
        assert merged.returncode == 5, merged.stderr
        assert "2 items ended without an answer" in merged.stderr
        server.poison = None
        calls = server.stats()["calls"]
        again = ehrbench(*arguments(server, data, tmp_path / "out"), home=tmp_path / "home")
        assert again.returncode == 0, again.stderr
        assert server.stats()["calls"] == calls + 2
    folder = next(folder for folder in run_folders(tmp_path / "out") if "shard" not in folder.name)
    assert {row["outcome"] for row in rows(folder / "private" / "predictions.jsonl")} == {"answered"}
