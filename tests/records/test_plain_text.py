from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from ehrbench.records.plain_text import text_record


def test_paragraphs_and_dated_lines() -> None:
    text = "Header\nmore\n\n2016-03-01 10:00 Seen.\nStill seen on 2016-03-05.\n[10/08/2018 8:00 PM] Admitted.\n \n\nEnd 1/2"
    record = text_record("1", text)
    assert record.text == text
    assert [(text[entry.start : entry.end], entry.time) for entry in record.entries] == [
        ("Header\nmore", None),
        ("2016-03-01 10:00 Seen.\nStill seen on 2016-03-05.", datetime(2016, 3, 1, 10)),
        ("[10/08/2018 8:00 PM] Admitted.", datetime(2018, 10, 8, 20)),
        ("End 1/2", None),
    ]


@given(st.text(st.sampled_from("a \n\t2016-03-01/[é"), max_size=80))
def test_entries_hold_every_visible_character_once(text: str) -> None:
    entries = text_record("1", text).entries
    assert "".join("".join(text[entry.start : entry.end].split()) for entry in entries) == "".join(text.split())
    assert all(text[entry.start : entry.end].strip() == text[entry.start : entry.end] for entry in entries)
    assert all(first.end <= second.start for first, second in zip(entries, entries[1:], strict=False))
