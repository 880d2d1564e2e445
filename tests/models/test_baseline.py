"""Baselines answer from the record, within the words they are given."""

from __future__ import annotations

from datetime import datetime

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request
from ehrbench.records import Entry

RECORD = """<visit><note start="1/2/2019">Metformin 500 mg twice daily. No rash &amp; no fever.</note>
<code>[LOINC/4548-4] Hemoglobin A1c 8.1</code>
<note start="1/1/2020">Metformin was stopped for nausea.
Potassium 4.1 today.</note></visit>"""


def spans() -> list[Entry]:
    first, second = RECORD.index("<note"), RECORD.index("<note", 20)
    code = RECORD.index("<code")
    return [
        Entry(first, RECORD.index("</note>") + 7, datetime.fromisoformat("2019-01-02"), "note"),
        Entry(code, RECORD.index("</code>") + 7, datetime.fromisoformat("2021-01-01"), "measurement"),
        Entry(second, RECORD.rindex("</note>") + 7, datetime.fromisoformat("2020-01-01"), "note"),
    ]


def ask(name: str, question: str, max_tokens: int = 50, entries: bool = True) -> tuple[str, str]:
    model = load_model(f"baseline:{name}", {}, None)
    request = Request(
        "r1", (Message("user", "?"),), max_tokens, question=question, record=RECORD, entries=spans() if entries else ()
    )
    (response,) = model.generate([request])
    assert response.id == "r1"
    return response.text, response.finish


@pytest.mark.parametrize("entries", [True, False])
def test_bm25_finds_the_sentence(entries: bool) -> None:
    text, finish = ask("bm25", "Why was metformin stopped?", 6, entries)
    assert text.startswith("Metformin was stopped for nausea.")
    assert finish == "length"
    assert ask("bm25", "latest hemoglobin a1c", 50, entries) == ("[LOINC/4548-4] Hemoglobin A1c 8.1", "stop")
    assert ask("bm25", "rash", 50, entries) == ("No rash & no fever.", "stop")


def test_bm25_without_a_match_or_a_record_is_empty() -> None:
    assert ask("bm25", "zzz") == ("", "stop")
    model = load_model("baseline:bm25", {}, 100)
    assert [r.text for r in model.generate([Request("a", (), 5, question="x")])] == [""]


def test_bm25_forgets_the_record_before() -> None:
    model = load_model("baseline:bm25", {}, None)
    requests = [Request(str(i), (), 9, question="fever", record=f"Fever in {year}.") for i, year in enumerate((2019, 2020, 2019))]
    assert [r.text for r in model.generate(requests)] == ["Fever in 2019.", "Fever in 2020.", "Fever in 2019."]


def test_newest_is_the_newest_note() -> None:
    assert ask("newest", "anything") == ("Metformin was stopped for nausea. Potassium 4.1 today.", "stop")
    assert ask("newest", "anything", 2) == ("Metformin was", "length")
    assert ask("newest", "anything", entries=False)[0] == "Metformin was stopped for nausea. Potassium 4.1 today."


LUMIA = """<eventstream person_id="1"><encounter><events><entry timestamp="2020-01-01 10:00">
<event type="measurement" code="LOINC/8480-6" name="Systolic blood pressure" unit="mmHg">130</event>
<event type="note" code="x" name="Progress note" note_id="1">Feels well. Sleeps badly.</event></entry>
<entry timestamp="2020-01-02 10:00"><event type="condition" name="Gout"/></entry></events></encounter></eventstream>"""


def test_names_that_stand_in_attributes() -> None:
    def answer(name: str, question: str) -> str:
        request = Request("a", (), 50, question=question, record=LUMIA)
        return next(load_model(f"baseline:{name}", {}, None).generate([request])).text

    assert answer("bm25", "What is the systolic pressure?").split("\n")[0] == "Systolic blood pressure (mmHg) 130"
    assert answer("bm25", "gout") == "Gout"
    assert answer("newest", "") == "Feels well. Sleeps badly."


def test_empty() -> None:
    assert ask("empty", "anything") == ("", "stop")


def test_bad_use() -> None:
    with pytest.raises(UsageError, match=r"unknown baseline 'bm52' \(did you mean 'bm25'"):
        load_model("baseline:bm52", {}, None)
    with pytest.raises(UsageError, match="unknown argument of baseline:bm25 'x'"):
        load_model("baseline:bm25", {"x": "1"}, None)
    model = load_model("baseline:empty", {}, None)
    assert not model.is_remote
    assert model.endpoint is None
    with pytest.raises(UsageError, match="log-probabilities"):
        model.choice_probabilities([ChoiceRequest("a", (), (("yes",), ("no",)))])
