from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.suites.medalign.records.xml import load_record

LUMIA = """\ufeff<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- é before all -->
<eventstream person_id="700000001">
<encounter><person><birthdate>1950-02-01</birthdate><age><days>24000</days><years>65</years></age>
<demographics><gender>FEMALE</gender><race>NULL</race></demographics></person>
<caresites><caresite care_site_id="1" care_site_name="A > B"/></caresites>
<events>
<entry timestamp="2016-03-01 10:00">
<event type="measurement" code="LOINC/8480-6" name="Systolic blood pressure" unit="mmHg">130</event>
<event table="condition" code="SNOMED/1" name="a &gt; b"/>
<event type="note" name="Progress note" note_id="1">naïve <![CDATA[<note>]]> text</event>
<event type="measurement" name="x">1</event>
</entry>
<entry timestamp="whenever"><event type="note" name='He said "5>4"' note_id="2"/></entry>
</events></encounter>
<encounter><events><entry timestamp="2017-01-02"><event type="death"/></entry></events></encounter>
</eventstream>
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "700000001.xml"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_lumia_raw_is_the_file_and_entries_are_its_notes_and_code_runs(tmp_path: Path) -> None:
    record = load_record(write(tmp_path, LUMIA), "700000001.xml")
    assert record.text == LUMIA.lstrip("\ufeff")
    assert [(entry.kind, entry.time) for entry in record.entries] == [
        ("person", None),
        ("caresites", None),
        ("codes", datetime(2016, 3, 1, 10, 0)),
        ("note", datetime(2016, 3, 1, 10, 0)),
        ("measurement", datetime(2016, 3, 1, 10, 0)),
        ("note", None),
        ("death", datetime(2017, 1, 2)),
    ]
    pieces = [record.text[entry.start : entry.end].strip() for entry in record.entries]
    assert pieces[1] == '<caresites><caresite care_site_id="1" care_site_name="A > B"/></caresites>'
    assert pieces[2].startswith('<entry timestamp="2016-03-01 10:00">') and pieces[2].endswith('name="a &gt; b"/>')
    assert pieces[3] == '<event type="note" name="Progress note" note_id="1">naïve <![CDATA[<note>]]> text</event>'
    assert pieces[4].endswith("</entry>")
    assert pieces[5] == """<entry timestamp="whenever"><event type="note" name='He said "5>4"' note_id="2"/></entry>"""
    assert record.newest_time() == datetime(2017, 1, 2)


def test_lumia_compact_has_a_line_an_event(tmp_path: Path) -> None:
    record = load_record(write(tmp_path, LUMIA), "1", "compact")
    assert record.text.splitlines() == [
        "person: birthdate: 1950-02-01; gender: FEMALE",
        "2016-03-01 10:00 measurement: Systolic blood pressure [LOINC/8480-6] 130 mmHg",
        "2016-03-01 10:00 condition: a > b [SNOMED/1]",
        "2016-03-01 10:00 note: Progress note naïve <note> text",
        "2016-03-01 10:00 measurement: x 1",
        'note: He said "5>4"',
    ]
    assert [record.text[entry.start : entry.end] for entry in record.entries] == record.text.splitlines()


def test_public_sample_record(shared_dir: Path) -> None:
    path = shared_dir / "data" / "medalign-public" / "sample-ehr-clean.xml"
    raw = load_record(path, "sample")
    assert len(raw.text) == 10_842
    assert sum(entry.kind == "note" for entry in raw.entries) == 5
    assert all(entry.time is not None for entry in raw.entries)
    assert raw.newest_time() == datetime(2022, 5, 15, 14, 15)
    visits = load_record(path, "sample", "visits")
    assert visits.text.count("<visit ") == 3 and "<record>" not in visits.text
    assert visits.text.startswith("<visit ") and visits.text.endswith("</visit>") and "</visit>\n<visit" in visits.text
    assert [visits.text[e.start : e.end] for e in visits.entries] == [raw.text[e.start : e.end] for e in raw.entries]
    compact = load_record(path, "sample", "compact")
    assert sum(entry.kind != "note" and entry.kind != "person" for entry in compact.entries) == 52
    assert "2018-10-08 20:15 measurement: [LOINC/70182-1] NIHSS 8" in compact.text.splitlines()


def test_windows_line_ends_and_encoding_declarations_change_nothing(tmp_path: Path) -> None:
    plain = load_record(write(tmp_path, LUMIA), "1")
    assert load_record(write(tmp_path, LUMIA.replace("\n", "\r\n")), "1") == plain


BOMB = '<!DOCTYPE record [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><record><visit>&b;</visit></record>'
FILE_READER = '<!DOCTYPE record [<!ENTITY x SYSTEM "file:///etc/passwd">]><record><visit>&x;</visit></record>'


@pytest.mark.parametrize("text", [BOMB, FILE_READER])
@pytest.mark.parametrize("rendering", ["raw", "visits", "compact"])
def test_entities_are_refused(tmp_path: Path, text: str, rendering: str) -> None:
    with pytest.raises(UsageError, match=r"700000001\.xml:1: the record declares XML entities"):
        load_record(write(tmp_path, text), "1", rendering)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<record>\n<visit>\n<day>secret canary</visit></record>", r"\.xml:3: .*not well-formed XML \(mismatched tag\)"),
        ("", "no element found"),
        ("Dear colleague, secret canary", "not well-formed"),
        ("<html><body>secret canary</body></html>", "not a MedAlign record"),
        ("<record><visit>\x01secret canary</visit></record>", "not well-formed"),
    ],
)
def test_what_is_no_record_is_refused_without_quoting_it(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_record(write(tmp_path, text), "1")
    assert "canary" not in str(caught.value)


def test_other_encodings_missing_files_and_unknown_renderings(tmp_path: Path) -> None:
    path = write(tmp_path, "<record/>")
    path.write_bytes("<record>\n<visit>é</visit></record>".encode("latin-1"))
    with pytest.raises(UsageError, match=r"\.xml:2: the record is not UTF-8"):
        load_record(path, "1")
    with pytest.raises(MissingError, match=r"2\.xml is not there"):
        load_record(tmp_path / "2.xml", "2")
    with pytest.raises(UsageError, match="did you mean 'compact'"):
        load_record(path, "1", "compakt")


def test_huge_record_is_read_quickly(tmp_path: Path) -> None:
    entry = (
        '<entry timestamp="2011-03-01 08:10"><event type="measurement" code="LOINC/8480-6" name="Systolic">120</event>'
        f'<event type="note" name="Progress note" note_id="1">{"The patient is doing well today. " * 20}</event></entry>\n'
    )
    text = f"<eventstream><encounter><events>{entry * 15_000}</events></encounter></eventstream>"
    path = write(tmp_path, text)
    began = time.perf_counter()
    record = load_record(path, "1")
    elapsed_s = time.perf_counter() - began
    assert len(record.entries) == 30_000
    assert elapsed_s < len(text) / 4e6, f"{len(text) / 1e6 / elapsed_s:.0f} MB/s"  # 60 MB/s on an idle machine


CONTENT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)
KIND = st.sampled_from(["note", "measurement", "condition", "drug_exposure"])
EVENTS = st.lists(st.lists(st.tuples(KIND, CONTENT, CONTENT), min_size=1, max_size=4), max_size=5)


@settings(deadline=None)
@given(entries=EVENTS, empty=st.booleans())
def test_offsets_of_any_lumia_record(tmp_path_factory: pytest.TempPathFactory, entries: list, empty: bool) -> None:
    """Entries tile the <entry> elements, whatever characters the text has, and a note is alone in its entry."""
    parts = []
    for number, events in enumerate(entries):
        inner = "".join(
            f"<event type={quoteattr(kind)} name={quoteattr(name)}" + ("/>" if empty and not text else f">{escape(text)}</event>")
            for kind, name, text in events
        )
        parts.append(f'<entry timestamp="2016-03-{number + 1:02} 10:00">{inner}</entry>')
    text = "<!-- ✓ --><eventstream><encounter><events>" + "\n".join(parts) + "</events></encounter></eventstream>"
    path = write(tmp_path_factory.mktemp("offsets"), text)
    raw = load_record(path, "1")
    by_time: dict[datetime, str] = {}
    for entry in raw.entries:
        piece = raw.text[entry.start : entry.end]
        assert entry.time is not None
        by_time[entry.time] = by_time.get(entry.time, "") + piece
        kinds = re.findall(r"<event type=\"(\w+)\"", piece)
        assert kinds == ["note"] if entry.kind == "note" else "note" not in kinds
    assert list(by_time.values()) == parts
    assert list(by_time) == [datetime(2016, 3, number + 1, 10) for number in range(len(entries))]
    assert all(a.end <= b.start for a, b in zip(raw.entries, raw.entries[1:], strict=False))
    visits = load_record(path, "1", "visits")
    assert [visits.text[e.start : e.end] for e in visits.entries] == [raw.text[e.start : e.end] for e in raw.entries]
