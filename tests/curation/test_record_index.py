"""The index on disk gives the scores of BM25 in memory, whatever portions it was built in."""

from __future__ import annotations

import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.bm25 import okapi_scores, tokenize
from ehrbench.curation.record_index import RecordIndex, build_index, open_index
from ehrbench.errors import UsageError
from tests.curation.ward import RECORDS

TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e", "fever", "größe"]), min_size=1, max_size=8).map(" ".join),
    min_size=1,
    max_size=9,
)


def built(folder: Path, records: list[tuple[str, str]], portion: int = 1000) -> RecordIndex:
    build_index(folder / "index", records, "s", portion=portion)
    index = open_index(folder / "index", "s")
    assert index is not None
    return index


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.integers(1, 40), st.sampled_from(["a b fever", "größe größe e", "unknown", ""]))
def test_scores_are_those_of_okapi_in_memory(texts: list[str], portion: int, query: str) -> None:
    with TemporaryDirectory() as folder:
        index = built(Path(folder), [(str(n), text) for n, text in enumerate(texts)], portion)
        expected = okapi_scores(tokenize(query), [tokenize(text) for text in texts])
        assert index.scores(query) == pytest.approx(expected, abs=1e-12)
        for n in (1, 3, 20):
            order = np.argsort(-index.scores(query), kind="stable")[:n]
            assert [hit.record for hit in index.best(query, n)] == [str(i) for i in order]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_that_holds_the_query_ranks_first(tmp_path: Path, record: str) -> None:
    index = built(tmp_path, list(RECORDS.items()))
    assert index.best(RECORDS[record], 1)[0].record == record


def test_an_index_is_private_and_serves_its_own_collection_only(tmp_path: Path) -> None:
    built(tmp_path, list(RECORDS.items()))
    folder = tmp_path / "index"
    assert open_index(folder, "another") is None
    assert {path.name for path in folder.iterdir()} == {
        ".gitignore", "counts.i4", "ends.npy", "index.jsonl", "records.i4", "records.jsonl", "terms.txt"
    }  # fmt: skip
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (folder / "index.jsonl").unlink()
    assert open_index(folder, "s") is None


def test_an_index_whose_building_was_interrupted_is_none(tmp_path: Path) -> None:
    built(tmp_path, list(RECORDS.items()))

    def broken() -> list[tuple[str, str]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "index", (pair for _ in [0] for pair in broken()), "s")
    assert open_index(tmp_path / "index", "s") is None


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "the collection has no records"),
        ([("1", "a"), ("1", "b")], "two records have the id '1'"),
        ([("1", "…")], "record '1' has no word"),
        ([("1", "a"), ("John Doe", "b")], "the name of record 2 is not an id"),
    ],
)
def test_a_bad_collection_is_named(tmp_path: Path, records: list[tuple[str, str]], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        build_index(tmp_path / "index", records, "s")
    assert "Doe" not in str(refused.value)
