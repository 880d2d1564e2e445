from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.suites.medalign.ratings import answers_of, read_ratings
from tests.suites.medalign.release import GOLD_COLUMNS, REVIEW_COLUMNS, gold, review, write_table


def write_reviews(folder: Path, rows: list[dict[str, str]], columns: list[str] = REVIEW_COLUMNS) -> Path:
    write_table(folder / "clinician-reviewed-model-responses.tsv", columns, rows)
    return folder


def test_rows_are_typed_and_records_are_not_needed(tmp_path: Path) -> None:
    rows = [
        review("1", "a", "1.5", binary_correct="0"),
        review("1", "b", "tie", binary_correct="", model_response='She said "yes"\tand left\n'),
        review("1", "a", "2", rater="Annotator_2", is_used_eval="no", model_response="other"),
    ]
    ratings = read_ratings(write_reviews(tmp_path / "files" / "medalign_instructions_v1_3", rows))
    first, second, third = ratings.rows
    assert (first.item, first.system, first.rater, first.rank, first.correct, first.used_eval) == (
        "1",
        "a",
        "Annotator_1",
        1.5,
        False,
        True,
    )
    assert (second.rank, second.correct, second.answer) == (None, None, 'She said "yes"\tand left')
    assert third.used_eval is False and first.group == "700000001"
    assert ratings.systems == ("a", "b") and len(ratings.used()) == 2
    assert answers_of(ratings, "a") == {"1": "answer of a"}
    with pytest.raises(UsageError, match="unknown system 'c'"):
        answers_of(ratings, "c")
    name = "clinician-reviewed-model-responses.tsv"
    assert ratings.warnings == (
        f"{name}: 1 of 3 rows have no number for a rank",
        f"{name}: is_used_eval leaves 2 rows of 2 systems on 1 instructions; release v1.3 has 1818 = 6 x 303",
    )


def test_the_counted_answer_wins_wherever_it_stands(tmp_path: Path) -> None:
    rows = [
        review("1", "a", rater="Annotator_2", is_used_eval="no", model_response="not counted"),
        review("1", "a", model_response="counted"),
        review("1", "a", rater="Annotator_3", model_response="counted later"),
        review("2", "a", is_used_eval="no", model_response="the only one"),
    ]
    assert answers_of(read_ratings(write_reviews(tmp_path, rows)), "a") == {"1": "counted", "2": "the only one"}


def test_a_full_release_gives_no_warning(tmp_path: Path) -> None:
    rows = [review(str(item), system) for item in range(1, 304) for system in "abcdef"]
    assert read_ratings(write_reviews(tmp_path, rows)).warnings == ()
    holes = read_ratings(write_reviews(tmp_path, rows[1:])).warnings
    assert (
        len(holes) == 2
        and "leaves 1817 rows of 6 systems on 303" in holes[0]
        and "1 are not judged, 0 more than once" in holes[1]
    )


def test_tables_without_rater_or_flag(tmp_path: Path) -> None:
    columns = [column for column in REVIEW_COLUMNS if column not in ("annotator_num", "is_used_eval")]
    ratings = read_ratings(write_reviews(tmp_path, [review("1", "a"), review("1", "a", "2")], columns))
    assert [(row.rater, row.used_eval) for row in ratings.rows] == [("review_1", True), ("review_2", True)]
    assert "no column is_used_eval, every row counts" in ratings.warnings[0]
    assert "no column says who judged" in ratings.warnings[1]


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="row 2: the same rater judges the same system on instruction 1 in row 1"):
        read_ratings(write_reviews(tmp_path / "twice", [review("1", "a"), review("1", "a")]))
    with pytest.raises(UsageError, match="row 1: the row names no system"):
        read_ratings(write_reviews(tmp_path / "nameless", [review("1", "")]))
    columns = [column for column in REVIEW_COLUMNS if column != "model_response"]
    with pytest.raises(UsageError, match="no column for 'answer': expected 'model_response' or 'model_output'"):
        read_ratings(write_reviews(tmp_path / "column", [review("1", "a")], columns))
    write_table(tmp_path / "gold" / "clinician-instruction-responses.tsv", GOLD_COLUMNS, [gold("1")])
    with pytest.raises(MissingError, match=r"clinician-reviewed-model-responses\.tsv is not in"):
        read_ratings(tmp_path / "gold")
