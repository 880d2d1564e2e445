"""``bm25-source-1``: which pieces of a record a source-augmented metric is shown."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.metrics import Metric, Scorable
from ehrbench.metrics.metric import SourceRule
from ehrbench.records.record import Entry, Record
from ehrbench.scoring.sources import add_sources, split


def words(texts):
    """A tokeniser for tests: a token every four characters of a word, and one a word at least."""
    return [sum(max(1, len(word) // 4) for word in text.split()) for text in texts]


def record(*entries: tuple[str, str], identifier: str = "r") -> Record:
    """Entries as (day of 2020, text), a blank day for none."""
    text, spans = "<record>", []
    for day, content in entries:
        spans.append(Entry(len(text), len(text) + len(content), datetime(2020, 1, int(day)) if day else None, "note"))
        text += f"{content}</>"
    return Record(identifier, text, spans)


def metric(room: int = 1000, piece_words: int = 200, mode: str = "bm25") -> Metric:
    rule = SourceRule(mode, words, lambda scorables: [room] * len(scorables), piece_words)
    return Metric("m", 1, "M", "item_mean", lambda s: [], source=rule)


def source(of: Record, question: str, room: int = 1000, piece_words: int = 200) -> str:
    made = add_sources(metric(room, piece_words), [Scorable("i", "a", question=question)], {"i": "r"}, lambda name: of)
    assert made[0].source is not None
    return made[0].source


CHART = record(
    ("1", "chest pain at rest"), ("2", "potassium 4.1"), ("3", "chest xray clear"), ("4", "diet advice"), ("5", "flu vaccine")
)


def test_best_pieces_first_shown_chronologically() -> None:
    # Room for two of the five: "chest" is in two entries, "pain" in the first alone; both beat those without either.
    assert source(CHART, "CHEST pain?", room=7) == "chest pain at rest\nchest xray clear"


def test_the_last_piece_is_cut_at_the_end() -> None:
    assert source(CHART, "chest pain", room=5) == "chest pain at rest\nchest"


def test_equal_scores_stay_in_the_records_order() -> None:
    assert source(CHART, "vaccine", room=6) == "chest pain at rest\nflu vaccine"


def test_without_a_word_in_common_the_newest_are_taken() -> None:
    assert source(CHART, "warfarin?", room=4) == "diet advice\nflu vaccine"
    assert source(CHART, "?", room=1) == "flu"


def test_long_entries_are_split_without_overlap() -> None:
    long = record(("1", " ".join(f"w{i}" for i in range(450))), ("2", "short note"))
    assert [len(piece.text.split()) for piece in split(long, 200)] == [200, 200, 50, 2]
    assert source(long, "w450 w449", room=50) == " ".join(f"w{i}" for i in range(400, 450))
    assert [len(piece.text.split()) for piece in split(long, 100)] == [100, 100, 100, 100, 50, 2]


def test_chronological_means_by_time_where_the_record_is_out_of_order() -> None:
    mixed = record(("5", "chest late"), ("", "chest undated"), ("1", "chest early"))
    assert source(mixed, "chest") == "chest early\nchest late\nchest undated"


def test_a_record_without_entries_is_split_whole() -> None:
    plain = Record("r", "one two three four five", [])
    assert [piece.text for piece in split(plain, 2)] == ["one two", "three four", "five"]
    assert source(Record("r", "", []), "x") == ""


def test_modes_without_a_record() -> None:
    scorables = [Scorable("i", "a", question="why?")]
    assert add_sources(metric(mode="instruction"), scorables, {}, None)[0].source == "why?"
    assert add_sources(metric(mode="empty"), scorables, {}, None)[0].source == ""
    with pytest.raises(UsageError, match="m.source=instruction"):
        add_sources(metric(), scorables, {"i": None}, lambda name: CHART)
    with pytest.raises(UsageError, match="m.source=instruction"):
        add_sources(metric(), scorables, {"i": "r"}, None)


def test_no_room_is_an_empty_source() -> None:
    assert source(CHART, "chest", room=0) == ""
    assert source(CHART, "chest", room=-5) == ""


def test_a_record_is_read_once_for_all_its_items() -> None:
    read: list[str] = []

    def load(name: str) -> Record:
        read.append(name)
        return CHART

    scorables = [Scorable(str(k), "a", question=f"chest {k % 3}") for k in range(60)]
    add_sources(metric(), scorables, {str(k): f"record {k % 10}" for k in range(60)}, load)
    assert sorted(read) == [f"record {k}" for k in range(10)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "1", "2", "3"]), st.text("ab <>\n", max_size=60)), min_size=1, max_size=12),
    st.integers(0, 40),
    st.integers(1, 20),
)
def test_the_source_fits_and_is_made_of_the_records_words(entries: list[tuple[str, str]], room: int, piece_words: int) -> None:
    chart = record(*entries)
    made = source(chart, "a b", room, piece_words)
    assert words([made])[0] <= room
    left = " ".join(text for _, text in entries).split()
    for word in made.split():
        left.remove(word)
