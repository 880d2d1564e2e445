"""What EHR-Bench takes from each table: its time, what is shown of it, the tasks it answers (protocol page, 1.2, 3.1, 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ehrbench.mimic.schema import TABLES, Module

MODULES: tuple[Module, ...] = ("hosp", "note", "ed", "icu")
"""The order of rows of one time."""


@dataclass(frozen=True)
class Source:
    """One table of events."""

    name: str
    time: str | None
    """The column that orders its rows; ``stay.intime`` and ``stay.outtime`` are the emergency stay's. None: it has none."""
    title: str
    """Its name in a context; empty: a context has an empty block for it."""
    shown: tuple[tuple[str, str], ...] = ()
    """Key in a context and column; ``=name`` is a looked-up value (see ``lookups``)."""
    tasks: tuple[tuple[str, str], ...] = ()
    """Decision-making task and the column of its labels."""
    facts: tuple[str, ...] = ()
    """Columns of the first row that risk tasks read."""

    @property
    def module(self) -> Module:
        """Where the release has it."""
        return TABLES[self.name].module

    @property
    def plain(self) -> tuple[str, ...]:
        """Columns of the file that are shown or are labels."""
        return tuple(dict.fromkeys(c for _, c in (*self.shown, *self.tasks) if not c.startswith("=")))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file that are shown, are labels or are read by risk tasks."""
        return tuple(dict.fromkeys([*self.plain, *self.facts]))

    @property
    def answers(self) -> tuple[str, ...]:
        """Columns, and looked-up values, that samples are made of: labels and facts."""
        return tuple(dict.fromkeys([*(c for _, c in self.tasks), *self.facts]))


def _same(*keys: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, key.lower()) for key in keys)


_ITEM = (("Item_Name", "=item"),)
_RATES = _ITEM + _same("Amount", "Amountuom", "Rate", "Rateuom")
_VITALS = ("Temperature", "Heartrate", "Resprate", "O2Sat", "Sbp", "Dbp", "Pain")


def _items(name: str, time: str, title: str, shown: tuple[tuple[str, str], ...]) -> Source:
    return Source(name, time, title, shown, ((name, "=item"),))


_SOURCES = (
    Source("patients", None, "Patient Demographics", _same("Anchor_Age", "Gender"), facts=("dod",)),
    Source(
        "diagnoses_icd",
        None,
        "Diagnoses on International Classification of Diseases",
        (("Diagnoses", "=icd"), ("Ccs Type", "=ccs")),
        (("diagnoses_icd", "=icd"), ("diagnoses_ccs", "=ccs")),
    ),
    Source("drgcodes", None, ""),
    Source(
        "procedures_icd",
        "chartdate",
        "Procedures on International Classification of Diseases",
        (("Procedures", "=icd"), ("Ccs Type", "=ccs")),
        (("procedures_icd", "=icd"), ("procedures_ccs", "=ccs")),
    ),
    Source("transfers", "intime", "Transfers", _same("Eventtype", "Careunit"), (("transfers", "=place"),)),
    Source("omr", "chartdate", "Online Medical Record", _same("Result_Name", "Result_Value"), (("omr", "result_name"),)),
    Source(
        "microbiologyevents",
        "charttime",
        "Microbiology Test Events",
        _same("Test_Name", "Dilution_Text", "Interpretation", "Comments", "Ab_Name"),
        (("microbiologyevents", "test_name"),),
    ),
    Source(
        "emar",
        "charttime",
        "Electronic Medicine Administration Record",
        _same("Medication", "Event_Txt"),
        (("emar", "medication"),),
    ),
    _items(
        "labevents",
        "charttime",
        "Labotary Test Events",
        _ITEM + _same("Valuenum", "Valueuom", "Ref_Range_Lower", "Ref_Range_Upper", "Flag", "Comments"),
    ),
    Source("poe", "ordertime", "Provider Order Entry", _same("Order_Type", "Order_Subtype"), (("poe", "order_type"),)),
    Source(
        "prescriptions",
        "starttime",
        "Prescriptions",
        (("Drug", "drug"), ("Atc Type", "=atc"), *_same("Prod_Strength", "Dose_Val_Rx", "Dose_Unit_Rx")),
        (("prescriptions", "drug"), ("prescriptions_atc", "=atc")),
    ),
    Source("pharmacy", "entertime", "Pharmacy", _same("Medication", "Proc_Type", "Status")),
    Source("services", "transfertime", "Services", _same("Curr_Service"), (("services", "curr_service"),)),
    Source(
        "admissions",
        "admittime",
        "Admissions",
        (*_same("Admission_Type", "Admission_Location"), ("Admission_Info", "=none")),
        (("admissions", "admission_type"),),
        ("dischtime", "deathtime", "hospital_expire_flag"),
    ),
    Source("hcpcsevents", None, ""),
    Source("discharge", "charttime", "Discharge", _same("Note_Type", "Text")),
    Source(
        "radiology",
        "charttime",
        "Radiology Examinations",
        (("Note_Type", "note_type"), ("Exam_Name", "=exams"), ("Text", "text")),
        (("radiology", "=exams"),),
    ),
    Source(
        "diagnosis",
        "stay.outtime",
        "ED Diagnoses on International Classification of Diseases",
        (("Icd_Title", "icd_title"), ("Ccs Type", "=ccs")),
        (("diagnosis", "icd_title"), ("diagnosis_ccs", "=ccs")),
    ),
    Source("edstays", "intime", "EDstays", _same("Gender", "Race"), facts=("outtime",)),
    Source(
        "medrecon",
        "charttime",
        "Medrecon",
        (("Name", "name"), ("Atc Type", "=atc")),
        (("medrecon", "name"), ("medrecon_atc", "=atc")),
    ),
    Source("pyxis", "charttime", "Pyxis", _same("Name"), (("pyxis", "name"),)),
    Source("triage", "stay.intime", "Triage", _same(*_VITALS, "Acuity", "Chiefcomplaint")),
    Source("vitalsign", "charttime", "Vitalsign", _same(*_VITALS, "Rhythm")),
    Source("icustays", "intime", "ICUstays", facts=("outtime",)),
    _items("datetimeevents", "charttime", "Datetime Events", _ITEM),
    _items(
        "procedureevents", "starttime", "Procedure Events", _ITEM + _same("Value", "Valueuom", "Location", "Locationcategory")
    ),
    _items("inputevents", "starttime", "Input Events", _RATES),
    _items("outputevents", "charttime", "Output Events", _ITEM + _same("Value", "Valueuom")),
    _items("ingredientevents", "starttime", "Ingredient Events", _RATES),
    _items("chartevents", "charttime", "Chart Events", _ITEM + _same("Valuenum", "Valueuom", "Warning")),
)
SOURCES: Mapping[str, Source] = {source.name: source for source in _SOURCES}
"""In the order of the merge: rows of one time stand by module, and within one in the order of the tables here. The released
procedure takes the order in which a folder happens to list its files; this one gives the counts that are known of it (6.7)."""
NUMBER: Mapping[str, int] = {name: number for number, name in enumerate(SOURCES)}
"""The position of a table in that order."""
