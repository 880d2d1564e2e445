from __future__ import annotations

import gzip
import random
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import UsageError
from ehrbench.mimic.cohort import Cohort, build_cohort
from ehrbench.mimic.events import EVENT_TABLES, event_rows, reduced_rows
from ehrbench.mimic.render import event_lists, merge_events, render
from ehrbench.mimic.tables import Mimic
from tests.mimic.tiny_mimic import write_table

TOTALS = {  # rows, admissions
    "labevents": (44_184, 119),
    "microbiologyevents": (1_188, 107),
    "prescriptions": (10_559, 118),
    "transfers": (568, 119),
    "inputevents": (17_880, 118),
    "outputevents": (8_115, 117),
    "procedureevents": (1_336, 119),
    "diagnoses_icd": (2_080, 119),
}
IDS = {"subject_id": 1, "hadm_id": 2}
STAY = IDS | {"stay_id": 3}


def events_of(mimic: Mimic, cohort: Cohort) -> dict[str, pl.DataFrame]:
    return {e: event_rows(mimic, cohort, e) for e in EVENT_TABLES}


@pytest.mark.demo_data
def test_the_demos_cohort(demo: Mimic, demo_cohort: Cohort) -> None:
    assert list(demo_cohort.steps.values()) == [128, 128, 119, 119]
    assert demo_cohort.n_patients == 95
    ages, stays = demo_cohort.admissions["age"], demo_cohort.admissions["hadm_los"]
    assert (ages.min(), ages.max()) == (21, 92)
    assert (round(stays.min(), 2), round(stays.max(), 2)) == (18.17, 817.93)


@pytest.mark.demo_data
def test_the_demos_event_totals(demo_events: Mapping[str, pl.DataFrame]) -> None:
    assert {e: (demo_events[e].height, demo_events[e]["hadm_id"].n_unique()) for e in TOTALS} == TOTALS
    assert all(frame["text"].null_count() == 0 for frame in demo_events.values())


@pytest.mark.demo_data
def test_the_demos_lists(demo_events: Mapping[str, pl.DataFrame], demo_cohort: Cohort) -> None:
    admitted = dict(demo_cohort.admissions.select("hadm_id", "hadm_intime").iter_rows())
    texts = {r.id: r for r in map(render, event_lists(merge_events(demo_events, "released"), admitted))}
    assert len(texts) == 119
    lines = texts["25563031"].text.split("\n")
    assert len(lines) == 178
    assert lines[-1] == "71.90 hour, transfers, discharge"
    assert lines[0].startswith(
        "0.00 hour, patient_demographics, gender: F, age: 46, race: WHITE, marital status: MARRIED, insurance: "
    )
    assert lines[1] == "0.00 hour, admission_info, type: EW EMER., location: PACU"
    assert "2.90 hour, labevents, Blood Anion Gap Chemistry: 14 mEq/L (normal)" in lines
    assert "-0.13 hour, prescriptions, Lorazepam (1mg Tablet), prescribed dose: 1 mg, route: PO/NG, duration: 2.00 hour" in lines
    assert texts["22675517"].text.count("\n") == 241
    lengths = sorted(record.text.count("\n") + 1 for record in texts.values())
    assert (round(sum(lengths) / 119), lengths[59], lengths[-1]) == (488, 368, 2616)
    for record in texts.values():
        assert [record.text[e.start : e.end] for e in record.entries] == record.text.split("\n")


@pytest.mark.demo_data
def test_the_paper_profile_lists_diagnoses_inputs_and_outputs(demo_events: Mapping[str, pl.DataFrame]) -> None:
    kinds = set(merge_events(demo_events, "paper")["event_type"]) - set(merge_events(demo_events, "released")["event_type"])
    assert kinds == {"diagnoses_icd", "inputevents", "outputevents"}


@pytest.mark.demo_data
def test_the_order_of_rows_in_a_file_decides_nothing(
    demo: Mimic, demo_events: Mapping[str, pl.DataFrame], tmp_path: Path
) -> None:
    shuffled = random.Random(0)
    for name in ("labevents", "prescriptions", "microbiologyevents", "transfers", "d_labitems", "admissions", "patients"):
        lines = gzip.decompress(demo.path(name).read_bytes()).splitlines(keepends=True)
        body = lines[1:]
        shuffled.shuffle(body)
        (tmp_path / f"{name}.csv").write_bytes(lines[0] + b"".join(body))
    (tmp_path / "icustays.csv.gz").write_bytes(demo.path("icustays").read_bytes())
    mimic = Mimic(tmp_path)
    cohort = build_cohort(mimic)
    for event_type in ("labevents", "prescriptions", "microbiologyevents", "transfers", "patient_demographics"):
        again = event_rows(mimic, cohort, event_type)
        assert again["text"].to_list() == demo_events[event_type]["text"].to_list()


def admission(root: Path, **change: object) -> Path:
    """A release of one admission from 10:00 on 1 January to 10:00 on 3 January."""
    stay = {"admittime": "2150-01-01 10:00:00", "dischtime": "2150-01-03 10:00:00", "admission_type": "URGENT", "race": "WHITE"}
    write_table(root, "admissions", [IDS | stay | change])
    write_table(root, "patients", [{"subject_id": 1, "gender": "F", "anchor_age": 50, "anchor_year": 2148}])
    write_table(root, "icustays", [STAY | {"intime": "2150-01-01 12:00:00", "outtime": "2150-01-02 12:00:00"}])
    return root


def texts(root: Path, event_type: str, rows: list[dict[str, object]], name: str | None = None) -> list[str]:
    """The wording of hand-written rows of that admission."""
    write_table(root, name or event_type, rows)
    mimic = Mimic(root)
    return event_rows(mimic, build_cohort(mimic), event_type)["text"].to_list()


def test_static_lines_leave_out_what_is_missing(tmp_path: Path) -> None:
    mimic = Mimic(admission(tmp_path))
    cohort = build_cohort(mimic)
    assert event_rows(mimic, cohort, "patient_demographics")["text"].item() == "gender: F, age: 52, race: WHITE"
    assert event_rows(mimic, cohort, "admission_info")["text"].item() == "type: URGENT"


@pytest.mark.parametrize(
    "mask",
    [
        "Chief Complaint:\nabdominal pain \nMajor",
        "___ Complaint:  abdominal pain\r\nx",
        "x Chief Complaint:\n \nabdominal pain\n",
    ],
)
def test_the_chief_complaint_is_the_first_line_after_its_title(tmp_path: Path, mask: str) -> None:
    write_table(admission(tmp_path), "discharge", [IDS | {"note_id": "n", "text": mask.replace("\r", "")}])
    mimic = Mimic(tmp_path)
    line = event_rows(mimic, build_cohort(mimic, with_notes=True), "admission_info")["text"].item()
    assert line == "type: URGENT, chief complaint: abdominal pain"


def test_laboratory_values_are_repaired_and_keep_their_writing(tmp_path: Path) -> None:
    admission(tmp_path)
    write_table(tmp_path, "d_labitems", [{"itemid": 5, "label": "pH", "fluid": "Blood", "category": "Blood Gas"}])
    row = IDS | {"itemid": 5, "charttime": "2150-01-01 11:00:00", "storetime": "2150-01-01 12:00:00", "specimen_id": 1}
    rows = [
        row | {"labevent_id": 9, "value": "07.40", "valueuom": " ", "flag": "abnormal"},
        row | {"labevent_id": 1, "value": "___", "valuenum": "119", "valueuom": "mEq/L"},
        row | {"labevent_id": 2, "valuenum": "7.345"},
        row | {"labevent_id": 3, "value": ">60", "valueuom": "N/A"},
        row | {"labevent_id": 4, "value": "___"},
        row | {"labevent_id": 5, "value": "1", "storetime": None},
        row | {"labevent_id": 6, "value": "2", "itemid": 77},
    ]
    assert texts(tmp_path, "labevents", rows) == [
        "Blood pH Blood Gas: 119.00 mEq/L (normal)",
        f"Blood pH Blood Gas: {7.345:.2f} (normal)",
        "Blood pH Blood Gas: >60 (normal)",
        "Blood pH Blood Gas: 07.40   (abnormal)",
    ]


def test_a_row_whose_item_the_dictionary_does_not_name_is_marked(tmp_path: Path) -> None:
    write_table(admission(tmp_path), "d_labitems", [{"itemid": 5, "label": "pH", "fluid": "Blood", "category": "Blood Gas"}])
    row = IDS | {"value": "1", "charttime": "2150-01-01 11:00:00", "storetime": "2150-01-01 12:00:00"}
    write_table(tmp_path, "labevents", [row | {"itemid": 5}, row | {"itemid": 6}])
    mimic = Mimic(tmp_path)
    reduced = mimic.collect(reduced_rows(mimic, build_cohort(mimic), "labevents"))
    assert dict(reduced.select("itemid", "known").iter_rows()) == {5: True, 6: False}


def test_microbiology_words(tmp_path: Path) -> None:
    row = IDS | {
        "charttime": "2150-01-01 11:00:00",
        "storetime": "2150-01-02 11:00:00",
        "test_name": "CULTURE",
        "spec_type_desc": "URINE",
    }
    rows = [
        row | {"microevent_id": 2, "org_name": "E. COLI", "ab_name": "GENTAMICIN", "interpretation": "S"},
        row | {"microevent_id": 1, "comments": "NO GROWTH.  "},
        row | {"microevent_id": 3, "org_name": "E. COLI", "ab_name": "X", "interpretation": "P"},
        row | {"microevent_id": 4, "charttime": None},
        row | {"microevent_id": 5, "storetime": None},
    ]
    assert texts(admission(tmp_path), "microbiologyevents", rows) == [
        "CULTURE on URINE, comments: NO GROWTH.  ",
        "CULTURE on URINE, organism grew: E. COLI, antibiotic tested: GENTAMICIN, antibiotic sensitivity: sensitive",
        "CULTURE on URINE, organism grew: E. COLI, antibiotic tested: X, antibiotic sensitivity: P",
    ]


def test_prescriptions_that_do_not_last_are_dropped(tmp_path: Path) -> None:
    row = IDS | {
        "drug": "Heparin",
        "starttime": "2150-01-01 11:00:00",
        "stoptime": "2150-01-01 12:30:00",
        "route": "IV",
        "drug_type": "MAIN",
    }
    rows = [
        row | {"pharmacy_id": 2, "prod_strength": "5 mL Vial", "dose_val_rx": "0.5", "dose_unit_rx": "mL"},
        row | {"pharmacy_id": 2, "drug": "Water", "drug_type": "BASE"},
        row | {"pharmacy_id": 1, "stoptime": "2150-01-01 11:00:00"},
        row | {"pharmacy_id": 1, "stoptime": "2150-01-01 10:00:00"},
        row | {"pharmacy_id": 1, "stoptime": None},
    ]
    assert texts(admission(tmp_path), "prescriptions", rows) == [
        "Water, route: IV, duration: 1.50 hour",
        "Heparin (5 mL Vial), prescribed dose: 0.5 mL, route: IV, duration: 1.50 hour",
    ]


def test_transfers(tmp_path: Path) -> None:
    rows = [
        IDS | {"transfer_id": 1, "eventtype": "discharge", "careunit": "UNKNOWN", "intime": "2150-01-03 10:00:00"},
        IDS | {"transfer_id": 2, "eventtype": "ED", "careunit": "Emergency Department", "intime": "2150-01-01 09:00:00"},
        IDS | {"transfer_id": 3, "eventtype": "transfer", "careunit": "Medicine", "intime": "2150-01-03 10:00:00"},
    ]
    assert texts(admission(tmp_path), "transfers", rows) == ["admit to Emergency Department", "transfer to Medicine", "discharge"]


def test_icu_tables_and_fractions_of_a_second(tmp_path: Path) -> None:
    admission(tmp_path)
    write_table(tmp_path, "d_items", [{"itemid": 5, "label": "Propofol"}, {"itemid": 6, "label": "Foley"}])
    span = {"itemid": 5, "starttime": "2150-01-01 12:00:00.500", "endtime": "2150-01-01 15:58:00.500"}
    rows = [
        STAY | span | {"amount": "743.755", "amountuom": "mg"},
        STAY | span | {"endtime": "2150-01-01 12:00:00"},
        STAY | span | {"stay_id": 4},
    ]
    assert texts(tmp_path, "inputevents", rows) == [f"Propofol {743.755:.2f} mg for 3.97 hour"]
    assert texts(
        tmp_path, "outputevents", [STAY | {"itemid": 6, "charttime": "2150-01-01 12:00:00", "value": 40, "valueuom": "ml"}]
    ) == ["Foley 40.00 ml"]
    point = STAY | {"itemid": 6, "starttime": "2150-01-01 12:00:00", "endtime": "2150-01-01 12:01:00"}
    assert texts(tmp_path, "procedureevents", [point]) == ["Foley for 0.02 hour"]


def test_codes_keep_their_leading_zeros(tmp_path: Path) -> None:
    titles = [
        {"icd_code": "0090", "icd_version": 9, "long_title": "Colitis"},
        {"icd_code": "90", "icd_version": 9, "long_title": "Wrong"},
    ]
    write_table(admission(tmp_path), "d_icd_diagnoses", titles)
    assert texts(tmp_path, "diagnoses_icd", [IDS | {"seq_num": 1, "icd_code": "0090", "icd_version": 9}]) == [
        "Billed diagnosis: Colitis"
    ]


def test_stays_that_end_before_they_begin_leave_nobody(tmp_path: Path) -> None:
    mimic = Mimic(admission(tmp_path, dischtime="2149-12-31 10:00:00"))
    with pytest.raises(UsageError, match="no admission is left for the cohort.*0 with stays that do not end before they begin"):
        build_cohort(mimic)
