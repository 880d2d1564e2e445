"""Near-identical instructions are removed in the order of the table, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.curation.instructions import Instruction, dedupe, read_instructions
from ehrbench.errors import UsageError
from tests.curation.ward import INSTRUCTIONS, NEAR_DUPLICATES, write_ward

WORDS = st.lists(st.sampled_from(["list", "all", "the", "drugs", "that", "she", "takes"]), min_size=1, max_size=7).map(" ".join)


def test_by_hand(tmp_path: Path) -> None:
    kept, removed = dedupe(read_instructions(write_ward(tmp_path)[0]))
    assert [one.id for one in kept] == [one[0] for one in INSTRUCTIONS if one[0] not in NEAR_DUPLICATES]
    found = {one.instruction.id: (one.kept.id, one.rouge_l) for one in removed}
    assert found == {key: (kin, pytest.approx(value)) for key, (kin, value) in NEAR_DUPLICATES.items()}


def test_only_kept_instructions_remove_others() -> None:
    """b is like a and c like b, but c is not like a: c stays. At the threshold itself both stay."""
    texts = ["a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f z w x y"]
    asked = [Instruction(str(n), text) for n, text in enumerate(texts)]
    kept, removed = dedupe(asked)
    assert ([one.id for one in kept], [one.instruction.id for one in removed]) == (["0", "2"], ["1"])
    assert not dedupe(asked, 0.8)[1]


@given(st.lists(WORDS, max_size=12))
def test_removing_again_removes_nothing(texts: list[str]) -> None:
    asked = [Instruction(str(n), text) for n, text in enumerate(texts)]
    kept, removed = dedupe(asked)
    assert dedupe(kept) == (kept, [])
    assert sorted([*kept, *(one.instruction for one in removed)], key=lambda one: int(one.id)) == asked
    assert all(int(one.kept.id) < int(one.instruction.id) and one.kept in kept for one in removed)


def test_the_public_instructions_are_what_the_authors_kept(shared_dir: Path) -> None:
    """62 of the 983 that the paper's own removal left: none of them is like another."""
    asked = read_instructions(shared_dir / "data" / "medalign-public" / "instructions-sample.csv")
    kept, removed = dedupe(asked)
    assert (len(kept), removed) == (62, [])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("instruction_id,text\ni1,What?\n", r"no column for 'question': expected 'question' or 'instruction'"),
        ("instruction_id,question\ni1,What?\ni1,Why?\n", r":3: row 2: instruction_id 'i1' is that of row 1 too"),
        ("instruction_id,question\ni1,\n", r":2: row 1: instruction 'i1' has no question"),
        ("instruction_id,question\na b,What?\n", r":2: row 1: instruction_id is not 1 to 64 letters"),
        ("instruction_id,question\n", r"the table has no instructions"),
        (
            "instruction_id,question,instruction\ni1,a,b\n",
            r"'question' and 'instruction' could both be 'question'; rename one",
        ),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, table: str, says: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table)
    with pytest.raises(UsageError, match=says):
        read_instructions(path)


def test_matching_asks_for_the_columns_that_it_searches_by(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("instruction_id,question\ni1,What?\n")
    assert read_instructions(path)[0].query == "What?"
    with pytest.raises(UsageError, match="no column for 'patient_characteristics'"):
        read_instructions(path, with_context=True)
