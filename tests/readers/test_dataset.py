"""The ids of items are checked for every reader, because predictions are joined by them and logs print them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.readers import READERS, Dataset, Item, ReaderOptions, reader


def dataset(*ids: str) -> Dataset:
    return Dataset(root=Path("data"), items=[Item(id=one, question="Q") for one in ids], files=())


def test_ids_that_tell_items_apart_pass() -> None:
    assert [item.id for item in dataset("a", "b/2", "ü-3", "x" * 200).items] == ["a", "b/2", "ü-3", "x" * 200]


def test_two_items_of_one_id_are_refused() -> None:
    with pytest.raises(UsageError, match="items 1 and 3 have the same id 'a', so one would be scored with the other's answer"):
        dataset("a", "b", "a")


@pytest.mark.parametrize("bad", ["", "a b", "a\nb", "a\r", "\x1b[31m", "a\u2028b", "a\u00a0b", "a\ud800", "x" * 201, "\t"])
def test_ids_that_would_break_a_log_are_refused_unnamed(bad: str) -> None:
    with pytest.raises(UsageError, match="the id of item 2 is not 1 to 200 printable characters without blanks") as caught:
        dataset("a", bad)
    assert "\n" not in str(caught.value)


def test_a_plugins_reader_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    @reader(ReaderOptions)
    def read(root: Path, options: ReaderOptions) -> Dataset:
        return dataset("a", "a")

    monkeypatch.setitem(READERS._targets, "ours", read)
    with pytest.raises(UsageError, match="the same id"):
        READERS.get("ours")(Path(), {})
