"""How events are written: nothing that tells two of them apart is lost, and a person can read them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.readers.meds.codes import Codebook
from ehrbench.readers.meds.extract import open_meds
from ehrbench.readers.meds.rendering import age, render

NOON = datetime(2150, 1, 1, 12)
COLUMNS = {
    "subject_id": pl.Int64,
    "time": pl.Datetime("us"),
    "code": pl.String,
    "numeric_value": pl.Float32,
    "text_value": pl.String,
    "unit": pl.String,
    "route": pl.String,
}
RESULT = "f\"LAB//RESULT//{$itemid}//{$valueuom ?? 'UNK'}\""


def line(code: str, *, book: Codebook | None = None, time: datetime = NOON, dtype: Any = pl.Float32, **values: Any) -> str:
    """The line of one event, without its time."""
    row = pl.DataFrame([{"subject_id": 1, "time": time, "code": code, **values}], schema=COLUMNS | {"numeric_value": dtype})
    meanings = (book or Codebook()).meanings({code: values.get("numeric_value") is not None})
    text = render(row, meanings, ["unit", "route"])[1].text
    return text.partition(", ")[2]


@pytest.mark.parametrize(
    ("code", "values", "shown"),
    [
        ("LAB//50912//mg/dL", {"numeric_value": 7.4}, "LAB: 50912 = 7.4 mg/dL"),
        ("LAB//RESULT//50912//UNK", {"numeric_value": 7.0}, "LAB RESULT: 50912, unknown = 7"),
        ("INFUSION_START//221906", {"numeric_value": 0.1, "unit": "mcg/kg/min"}, "INFUSION START: 221906 = 0.1 mcg/kg/min"),
        ("INFUSION_END//221906", {}, "INFUSION END: 221906"),
        ("LAB//1//mg", {"numeric_value": 1.0, "unit": "MG"}, "LAB: 1 = 1 mg"),
        ("LAB//1//mg", {"numeric_value": 1.0, "unit": "g"}, "LAB: 1 = 1 mg (g)"),
        ("MEDICATION//START//Heparin//63323026201", {"route": "IV"}, "MEDICATION START: Heparin [63323026201]; route IV"),
        ("MEDICATION//Insulin//Not Given//UNK", {}, "MEDICATION: Insulin, Not Given [UNK]"),
        ("HOSPITAL_DISCHARGE//UNK", {}, "HOSPITAL DISCHARGE: unknown"),
        ("GENDER//M", {}, "GENDER: M"),
        ("MEDS_DEATH", {}, "DEATH"),
        ("SNOMED/38341003", {}, "SNOMED: 38341003"),
        ("ICD10CM/I10", {"text_value": "since  May"}, "ICD10CM: I10 = since  May"),
        ("DRUG//a b", {"route": "IV\nPUSH"}, "DRUG: a b; route IV PUSH"),
        ("X", {"numeric_value": float("nan")}, "X"),
        ("X", {"numeric_value": 1234567.0}, "X = 1234567"),
        ("X", {"numeric_value": -0.5, "text_value": "low"}, "X = -0.5, low"),
        ("X\n2150-01-01 12:00, DEATH", {}, "X 2150-01-01 12:00, DEATH"),
    ],
)
def test_what_a_line_says(code: str, values: dict[str, Any], shown: str) -> None:
    assert line(code, **values) == shown


LATER = [
    ("end", "2150-03-05 10:00:00", pl.String),
    ("end_time", "2150-03-05T10:00", pl.String),
    ("end_time", "2150-03-05 11:00:00+01:00", pl.String),
    ("outtime", datetime(2150, 3, 5, 10), pl.Datetime("us")),
]


@pytest.mark.parametrize(("column", "value", "dtype"), LATER)
def test_a_record_that_stops_before_an_end_does_not_tell_it(column: str, value: object, dtype: Any) -> None:
    start = datetime(2150, 3, 4, 8)
    row = pl.DataFrame(
        [{"subject_id": 1, "time": start, "code": "INFUSION//1", "numeric_value": 5.0, column: value}],
        schema=COLUMNS | {"numeric_value": pl.Float64, column: dtype},
    )
    lines = render(row, Codebook().meanings({"INFUSION//1": True}), [column])[1]
    before = lines.record("1", datetime(2150, 3, 5, 9, 59))
    assert before.text == "2150-03-04 08:00, INFUSION: 1 = 5"
    after = lines.record("1", datetime(2150, 3, 5, 10))
    assert after.text.splitlines()[1] == f"2150-03-05 10:00, INFUSION: 1; {column.replace('_', ' ')}, of 2150-03-04 08:00"


def test_a_day_is_told_when_it_is_over() -> None:
    row = pl.DataFrame(
        [{"subject_id": 1, "time": datetime(2150, 3, 4, 8), "code": "X", "stop": date(2150, 3, 5)}],
        schema=COLUMNS | {"numeric_value": pl.Float64, "stop": pl.Date},
    )
    lines = render(row, Codebook().meanings({"X": False}), ["stop"])[1]
    assert lines.record("1", datetime(2150, 3, 5, 23, 59, 58)).text == "2150-03-04 08:00, X"
    assert lines.text.endswith("2150-03-05 23:59:59, X; stop, of 2150-03-04 08:00")


@pytest.mark.parametrize("end", ["2150-03-05", "probably 2150-03-05", "2150-03-05 at noon"])
def test_a_text_that_names_a_day_is_told_when_it_is_over(end: str) -> None:
    row = pl.DataFrame(
        [{"subject_id": 1, "time": datetime(2150, 3, 4, 8), "code": "X", "end": end}],
        schema=COLUMNS | {"numeric_value": pl.Float64, "end": pl.String},
    )
    lines = render(row, Codebook().meanings({"X": False}), ["end"])[1]
    assert lines.record("1", datetime(2150, 3, 5, 23, 59, 58)).text == "2150-03-04 08:00, X"


def test_an_end_that_is_known_at_its_start_is_a_modifier() -> None:
    row = pl.DataFrame(
        [{"subject_id": 1, "time": datetime(2150, 3, 4, 8), "code": "X", "end": end} for end in ("2150-03-04 08:00", "unknown")],
        schema=COLUMNS | {"numeric_value": pl.Float64, "end": pl.String},
    )
    lines = render(row, Codebook().meanings({"X": False}), ["end"])[1].text
    assert lines.splitlines() == ["2150-03-04 08:00, X; end 2150-03-04 08:00", "2150-03-04 08:00, X; end unknown"]


def test_a_template_says_which_part_is_the_unit() -> None:
    book = Codebook({"LAB//RESULT//51//K/uL": "White cells"}, {"LAB//RESULT//51//K/uL": RESULT, "LAB//RESULT//51//UNK": RESULT})
    assert line("LAB//RESULT//51//K/uL", book=book, numeric_value=1.5) == "LAB RESULT: White cells [51] = 1.5 K/uL"
    assert line("LAB//RESULT//51//UNK", book=book, numeric_value=1.5) == "LAB RESULT: 51 = 1.5 (unit unknown)"


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
def test_numbers_have_no_digits_of_their_storage(dtype: Any) -> None:
    """1.7 in 32 bits is 1.7000000476837158 in 64."""
    value = pl.Series([1.7], dtype=pl.Float32).cast(pl.Float64)[0]
    assert line("X", dtype=dtype, numeric_value=value) == "X = 1.7"
    assert line("X", dtype=pl.Float64, numeric_value=16777217.0) == "X = 16777217"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_text_can_be_taken_for_an_event(end: str) -> None:
    text = f"Dear colleague{end}2150-01-02 08:00, DEATH{end}"
    rendered = line("NOTE", text_value=text)
    assert rendered.splitlines() == ["NOTE", "    | Dear colleague", "    | 2150-01-02 08:00, DEATH"]


def test_a_long_text_stands_below_its_event() -> None:
    assert line("NOTE", text_value="word " * 60).splitlines()[0] == "NOTE"


def test_who_the_patient_is_stands_in_the_header() -> None:
    born = datetime(2100, 6, 1)
    rows = [(1, born, "MEDS_BIRTH"), (1, born, "RACE//WHITE"), (1, None, "GENDER//F"), (1, NOON, "LAB//1")]
    frame = pl.DataFrame(rows, schema=("subject_id", "time", "code"), orient="row").with_columns(pl.col("time").cast(pl.Datetime))
    lines = render(frame, Codebook().meanings(dict.fromkeys(frame["code"], False)), [])[1]
    record = lines.record("1", None)
    assert record.header == "Patient at 2150-01-01 12:00\nBORN: 2100-06-01 (age 49 years)\nGENDER: F\nRACE: WHITE\n\n"
    assert record.text == "2150-01-01 12:00, LAB: 1"
    before = lines.record("1@2100-05-01T00:00:00", datetime(2100, 5, 1))
    assert before.text == ""
    assert "age" not in before.header


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (datetime(2100, 6, 3), "2 days"),
        (datetime(2100, 7, 31), "60 days"),
        (datetime(2100, 8, 1), "2 months"),
        (datetime(2102, 5, 31), "23 months"),
        (datetime(2102, 6, 1), "2 years"),
        (datetime(2150, 5, 31, 23), "49 years"),
        (datetime(2150, 6, 1), "50 years"),
    ],
)
def test_ages(now: datetime, words: str) -> None:
    assert age(datetime(2100, 6, 1), now) == words


def test_no_two_events_of_the_official_extract_look_alike(official: Path) -> None:
    """Per subject: as many different lines as different (time, code, value, unit, modifiers), birth and static facts apart."""
    data = open_meds(official)
    assert data.told.n == 356_063
    shown = ["time", "code", "numeric_value", "text_value", *data.modifiers]
    for shard in data.shards:
        rows = pl.read_parquet(shard)
        columns = [column for column in shown if column in rows.columns]
        dated = rows.filter(pl.col("time").is_not_null() & (pl.col("code") != "MEDS_BIRTH"))
        for (subject,), part in dated.group_by("subject_id"):
            lines = data.record(int(str(subject))).text.split("\n")
            assert len(lines) == part.height
            assert len(set(lines)) == part.select(columns).unique().height


def test_the_units_of_the_official_extract_are_shown(official: Path) -> None:
    """98,626 numbers have their unit in the code and 31,442 in a column; all of them stand beside their number."""
    data = open_meds(official)
    rows = pl.concat([pl.read_parquet(shard, columns=["code", "numeric_value", "unit"]) for shard in data.shards])
    numbers = rows.filter(pl.col("numeric_value").is_not_null())
    in_code = numbers.filter(
        pl.col("code").is_in([code for code, m in data.meanings.items() if m.unit not in ("", "unit unknown")])
    )
    assert numbers.height == data.told.numeric == 147_855
    assert in_code.height >= 98_626
    assert numbers["unit"].is_not_null().sum() >= 31_442
    assert (
        data.told.with_unit
        == numbers.filter(pl.col("unit").is_not_null() | pl.col("code").is_in(in_code["code"].unique().to_list())).height
    )
    record = data.record(int(rows_subject(data.shards[0])))
    measured = [text for text in record.text.split("\n") if ", LAB RESULT" in text and "[51222]" in text]
    assert measured
    assert all(text.endswith(" g/dL") for text in measured)


def rows_subject(shard: Path) -> int:
    """The subject of a shard with the most haemoglobin results."""
    rows = pl.read_parquet(shard, columns=["subject_id", "code"]).filter(pl.col("code") == "LAB//RESULT//51222//g/dL")
    return int(rows["subject_id"].value_counts(sort=True)["subject_id"][0])
