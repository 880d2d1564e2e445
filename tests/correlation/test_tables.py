"""Ratings and scores as files: what is odd is named by file and row, counted, and never lost."""

from __future__ import annotations

import numpy as np
import pytest

from ehrbench.correlation.ratings import read_ratings
from ehrbench.correlation.scores import align, read_scores
from ehrbench.errors import MissingError, UsageError
from tests.correlation.tables import write

GOOD = "item,rater,system,rank,correct,cluster\nq1,ann,A,1,yes,p1\nq1,ann,B,2,no,p1\nq2,bob,A,2,1,p2\nq2,bob,B,1,0,p2\n"


def test_a_good_table(tmp_path):
    found = read_ratings(write(tmp_path / "r.csv", GOOD))
    assert (found.items, found.systems, found.groups) == (("q1", "q2"), ("A", "B"), ("p1", "p2"))
    np.testing.assert_array_equal(found.ranks, [[1, 2], [2, 1]])
    np.testing.assert_array_equal(found.correct, [[1, 0], [1, 0]])
    assert found.notes == ()
    assert found.used is None


def test_tsv_and_parquet_hold_the_same(tmp_path):
    import polars as pl

    plain = read_ratings(write(tmp_path / "r.csv", GOOD))
    tabs = read_ratings(write(tmp_path / "r.tsv", GOOD.replace(",", "\t")))
    pl.read_csv(tmp_path / "r.csv").write_parquet(tmp_path / "r.parquet")
    columns = read_ratings(tmp_path / "r.parquet")
    assert plain.digest() == tabs.digest() == columns.digest()
    write(tmp_path / "broken.parquet", GOOD)
    with pytest.raises(UsageError, match=r"the table of ratings: .*broken\.parquet is not a readable Parquet file"):
        read_ratings(tmp_path / "broken.parquet")


def test_ranks_that_are_no_numbers_are_counted_with_their_rows(tmp_path):
    text = "item,rater,system,rank\nq1,a,A,1\nq1,a,B,first\nq1,a,C,\nq2,a,A,1\nq2,a,B,nan\nq2,a,C,inf\nq3,a,A,n/a\n"
    found = read_ratings(write(tmp_path / "r.csv", text))
    assert np.isnan(found.ranks).sum() == 7, "with the two pairs of q3 that have no row"
    notes = "\n".join(found.notes)
    assert "r.csv: the rank is not a number, so the row counts as missing: 2 (rows 2, 7)" in notes
    assert "the rank is empty, so the row counts as missing: 1 (row 3)" in notes
    assert "the rank is not a finite number, so the row counts as missing: 2 (rows 5, 6)" in notes
    assert "r.csv: 7 of 9 answers have no rank" in notes


def test_rows_that_repeat(tmp_path):
    same = read_ratings(write(tmp_path / "same.csv", GOOD + "q1,ann,A,1,yes,p1\n"))
    assert "same.csv: the row repeats an earlier one and counts once: 1 (row 5)" in same.notes
    assert same.ranks[0, 0] == 1
    with pytest.raises(UsageError, match=r"other\.csv:6: row 5: rater 'ann' judges system 'A' on item 'q1' .* row 1"):
        read_ratings(write(tmp_path / "other.csv", GOOD + "q1,ann,A,2,yes,p1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,rater,system,rank\nq1,a,A,1\nq2,a,A,1\n", "all ratings are of one system, 'A'"),
        ("item,rater,system,rank\n", "it holds no ratings"),
        ("item,rater,system\nq1,a,A\n", "no column 'rank' or 'model_rank'"),
        ("item,rater,system,rank\nq1,a,,1\n", r"r\.csv:2: row 1: the system is empty"),
        ("item,rater,system,rank\nq1,a,A,1,5\n", "row 1 has 5 fields, the header has 4"),
        ("item,rater,system,rank,cluster\nq1,a,A,1,p\nq1,a,B,2,q\n", "row 2: item 'q1' is in another cluster"),
        ("item,item,system,rank\n", "columns 1 and 2 have the same name"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read_ratings(write(tmp_path / "r.csv", text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingError, match="is not there"):
        read_ratings(tmp_path / "none.csv")


def test_odd_verdicts_and_clusters_are_counted(tmp_path):
    text = GOOD.replace("bob,A,2,1,p2", "bob,A,2,maybe,").replace("bob,B,1,0,p2", "bob,B,1,,")
    found = read_ratings(write(tmp_path / "r.csv", text))
    assert "r.csv: 'correct' is neither yes nor no, so the verdict counts as missing: 1 (row 3)" in found.notes
    assert "r.csv: 1 items have no cluster and are clusters of their own" in found.notes
    assert found.groups == ("p1", None)


SCORES = "item,system,metric,score\nq1,A,m,0.5\nq1,B,m,0.25\nq2,A,m,1\nq2,B,m,0\n"


def test_scores_and_what_does_not_fit(tmp_path):
    text = SCORES + "q1,C,m,1\nq9,A,m,1\nq2,A,m,1\nq1,A,wer,0.1\nq1,B,wer,oops\n"
    found, notes = read_scores(write(tmp_path / "s.csv", text), ["wer"])
    assert [one.metric for one in found] == ["m", "wer"]
    assert "s.csv: the row repeats an earlier one and counts once: 1 (row 7)" in notes
    assert "s.csv: the score is not a number, so the row counts as missing: 1 (row 9)" in notes
    matrix, odd = align(found[0], ("q1", "q2"), ("A", "B"))
    np.testing.assert_array_equal(matrix, [[0.5, 0.25], [1, 0]])
    assert "s.csv: m: 1 systems were not rated and are left out: 'C'" in odd
    assert "s.csv: m: 1 scores are of items that were not rated and are left out" in odd
    matrix, odd = align(found[1], ("q1", "q2"), ("A", "B"))
    assert matrix[0, 0] == -0.1
    assert "s.csv: wer: 3 of 4 rated answers have no score (their pairs are left out)" in odd


def test_scores_that_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"s\.csv:6: row 5: 'm' of system 'A' on item 'q1' has another score in row 1"):
        read_scores(write(tmp_path / "s.csv", SCORES + "q1,A,m,0.6\n"))
    (found,), _ = read_scores(write(tmp_path / "s.csv", SCORES))
    with pytest.raises(UsageError, match="m scores no system that was rated: unknown system 'A'"):
        align(found, ("q1",), ("X", "Y"))
    with pytest.raises(UsageError, match="no score for any of the 1 rated items"):
        align(found, ("q7",), ("A", "B"))
    with pytest.raises(UsageError, match="it holds no scores"):
        read_scores(write(tmp_path / "none.csv", "item,system,metric,score\n"))


def test_a_name_from_a_file_cannot_flood_a_message(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_ratings(write(tmp_path / "r.csv", "item,rater,system,rank\nq,a," + "x" * 10_000 + ",1\n"))
    assert len(str(caught.value)) < 300
