from __future__ import annotations

import re
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


@given(st.lists(st.sampled_from(["\n", "\n\n", " ", "\t", "a", "#", "[", "2020-01-02", "1/2/2020", "10:30"]), max_size=14))
def test_an_entry_ends_at_a_blank_line_and_before_a_line_that_begins_with_a_date(parts: list[str]) -> None:
    text = "".join(parts)
    record = text_record("1", text)
    starts = [m.start() for m in re.finditer(r"(?m)^[\[(#*-]*(?:2020-01-02|1/2/2020)", text)]
    for entry in record.entries:
        inside = text[entry.start : entry.end]
        assert not re.search(r"\n[ \t]*\n", inside)
        assert not any(entry.start + len(inside) - len(inside.lstrip("[(#*-")) < at < entry.end for at in starts)
    for one, other in zip(record.entries, record.entries[1:], strict=False):
        between = text[one.end : other.start]
        blank = re.search(r"\n[ \t]*\n", between) is not None
        assert blank or any(one.end < at <= other.end for at in starts)
