from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.models import Message, Request
from ehrbench.models.batches import BatchLimits, Size, in_portions, run_in_batches

_SIZES = st.dictionaries(st.integers(0, 50), st.builds(Size, st.integers(1, 90), st.integers(1, 20)), max_size=20)


@given(_SIZES, st.one_of(st.none(), st.integers(1, 5)), st.one_of(st.none(), st.integers(1, 400)))
def test_every_item_once_longest_first_within_the_limits(sizes: dict[int, Size], rows: int | None, tokens: int | None) -> None:
    batches: list[list[int]] = []

    def run(batch: Sequence[int]) -> list[str]:
        batches.append(list(batch))
        return [f"answer {i}" for i in batch]

    found = list(run_in_batches(sizes, run, BatchLimits(rows, tokens)))
    assert {i: outcome for i, outcome, _ in found} == {i: f"answer {i}" for i in sizes}
    assert len(found) == len(sizes)
    lengths = [sum(sizes[i]) for i, _, _ in found]
    assert lengths == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * (max(sizes[i].prompt for i in batch) + max(sizes[i].answer for i in batch))
        assert rows is None or len(batch) <= rows
        assert tokens is None or len(batch) == 1 or padded <= tokens


@given(_SIZES, st.sets(st.integers(0, 50)), st.integers(0, 300))
def test_only_what_fails_alone_fails(sizes: dict[int, Size], poisoned: set[int], memory: int) -> None:
    """Whatever fails and whatever the memory, each item's outcome is the one that it has alone."""

    def run(batch: Sequence[int]) -> list[int]:
        if sum(sizes[i].prompt for i in batch) > memory:
            raise MemoryError
        if poisoned & set(batch):
            raise ValueError("poisoned")
        return list(batch)

    lowered: list[BatchLimits] = []
    for i, outcome, _ in run_in_batches(sizes, run, BatchLimits(), lowered.append):
        expected = MemoryError if sizes[i].prompt > memory else ValueError if i in poisoned else int
        assert isinstance(outcome, expected)
    caps = [limits.tokens or 0 for limits in lowered]
    assert caps == sorted(set(caps), reverse=True), "each lack of memory lowers the limit"


def test_nothing_to_do_runs_nothing() -> None:
    assert list(run_in_batches({}, lambda batch: 1 / 0, BatchLimits())) == []  # type: ignore[arg-type, return-value]


def test_an_error_that_concerns_all_items_is_raised() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise UsageError("cannot load")

    with pytest.raises(UsageError):
        list(run_in_batches({1: Size(1, 1)}, run, BatchLimits()))


def test_batches_are_yielded_as_they_finish() -> None:
    ran: list[int] = []

    def run(batch: Sequence[int]) -> list[int]:
        ran.extend(batch)
        return list(batch)

    found = run_in_batches({i: Size(9 - i, 1) for i in range(4)}, run, BatchLimits(rows=1))
    assert next(found)[0] == 0
    assert ran == [0]


def test_portions_hold_about_so_many_characters() -> None:
    asked = [Request(str(n), (Message("user", "x" * n),), 1) for n in (3, 4, 1, 9, 1)]
    portions = list(in_portions(iter(asked), 5))
    assert [[request.id for request in portion] for portion in portions] == [["3", "4"], ["1", "9"], ["1"]]
    assert list(in_portions(iter([]))) == []
