"""The stories as rows of MIMIC-IV's tables, with all that makes the real ones awkward: masks, blank units, points in time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ehrbench.mimic.sample.story import Story

Row = dict[str, Any]
Tables = dict[str, list[Row]]

# Code, version, CCS category, title.
DIAGNOSES = {
    "pneumonia": ("J189", 10, 122, "Pneumonia, unspecified organism"),
    "respiratory failure": ("J9601", 10, 131, "Acute respiratory failure with hypoxia"),
    "hypertension": ("I10", 10, 98, "Essential (primary) hypertension"),
    "sepsis": ("A419", 10, 2, "Sepsis, unspecified organism"),
    "shock": ("R6521", 10, 249, "Severe sepsis with septic shock"),
    "kidney injury": ("5849", 9, 157, "Acute kidney failure, unspecified"),
    "kidney disease": ("5859", 9, 158, "Chronic kidney disease, unspecified"),
    "diabetes": ("25000", 9, 49, "Diabetes mellitus without mention of complication, type II or unspecified type"),
    "gastrointestinal bleeding": ("53100", 9, 153, "Acute gastric ulcer with hemorrhage, without mention of obstruction"),
    "anemia": ("2851", 9, 60, "Acute posthemorrhagic anemia"),
    "heart failure": ("4280", 9, 108, "Congestive heart failure, unspecified"),
    "atrial fibrillation": ("42731", 9, 106, "Atrial fibrillation"),
    "coronary disease": ("I2510", 10, 101, "Atherosclerotic heart disease of native coronary artery without angina pectoris"),
    "lipids": ("E785", 10, 53, "Hyperlipidemia, unspecified"),
    "stroke": ("I639", 10, 109, "Cerebral infarction, unspecified"),
    "ketoacidosis": ("E1010", 10, 50, "Type 1 diabetes mellitus with ketoacidosis without coma"),
    "dehydration": ("E860", 10, 55, "Dehydration"),
    "chronic lung disease": ("J441", 10, 127, "Chronic obstructive pulmonary disease with (acute) exacerbation"),
    "liver disease": ("K7460", 10, 151, "Unspecified cirrhosis of liver"),
    "urinary infection": ("N390", 10, 159, "Urinary tract infection, site not specified"),
    "rib fractures": ("80704", 9, 231, "Closed fracture of four ribs"),
    "subdural hematoma": ("85220", 9, 233, "Subdural hemorrhage following injury without mention of open intracranial wound"),
    "heart attack": ("I214", 10, 100, "Non-ST elevation (NSTEMI) myocardial infarction"),
}

# Label, fluid, category, normal value, unit, decimals, lower and upper limit.
LABS = {
    "Sodium": ("Blood", "Chemistry", 140.0, "mEq/L", 0, 133, 145),
    "Potassium": ("Blood", "Chemistry", 4.1, "mEq/L", 1, 3.3, 5.1),
    "Creatinine": ("Blood", "Chemistry", 0.9, "mg/dL", 1, 0.4, 1.2),
    "Urea": ("Blood", "Chemistry", 15.0, "mg/dL", 0, 6, 20),
    "Glucose": ("Blood", "Chemistry", 104.0, "mg/dL", 0, 70, 120),
    "Bicarbonate": ("Blood", "Chemistry", 25.0, "mEq/L", 0, 22, 32),
    "Bilirubin": ("Blood", "Chemistry", 0.7, "mg/dL", 1, 0, 1.5),
    "Troponin T": ("Blood", "Chemistry", 0.01, "ng/mL", 2, 0, 0.01),
    "BNP": ("Blood", "Chemistry", 180.0, "pg/mL", 0, 0, 300),
    "Hemoglobin": ("Blood", "Hematology", 13.0, "g/dL", 1, 12, 17.5),
    "WBC": ("Blood", "Hematology", 8.2, "K/uL", 1, 4, 10),
    "Platelets": ("Blood", "Hematology", 230.0, "K/uL", 0, 150, 400),
    "INR": ("Blood", "Hematology", 1.1, " ", 1, 0.9, 1.1),
    "Lactate": ("Blood", "Blood Gas", 1.2, "mmol/L", 1, 0.5, 2),
    "pH": ("Blood", "Blood Gas", 7.4, " ", 2, 7.35, 7.45),
    "pO2": ("Blood", "Blood Gas", 96.0, "mm Hg", 0, 85, 105),
    "pCO2": ("Blood", "Blood Gas", 40.0, "mm Hg", 0, 35, 45),
}

# Strength, dose, unit, route, hours between doses or 0 for one order over the stay.
DRUGS = {
    "ceftriaxone": ("Ceftriaxone", "1g/50mL Bag", "1", "gm", "IV", 24),
    "azithromycin": ("Azithromycin", "250mg Tablet", "500", "mg", "PO/NG", 24),
    "heparin": ("Heparin", "5000 Units / mL- 1mL Vial", "5000", "UNIT", "SC", 0),
    "vancomycin": ("Vancomycin", "1g/200mL Bag", "1000", "mg", "IV", 12),
    "piperacillin": ("Piperacillin-Tazobactam", "4.5g Vial", "4.5", "g", "IV", 8),
    "norepinephrine": ("Norepinephrine", "8 mg / 250 mL Bag", "0.03-0.25", "mcg/kg/min", "IV DRIP", 0),
    "insulin": ("Insulin", "100 Units / mL - 10 mL Vial", "0-10", "UNIT", "SC", 0),
    "pantoprazole": ("Pantoprazole", "40 mg Vial", "40", "mg", "IV", 12),
    "normal saline": ("0.9% Sodium Chloride", "1000mL Bag", "1000", "mL", "IV", 0),
    "furosemide": ("Furosemide", "40mg/4mL Vial", "40", "mg", "IV", 12),
    "metoprolol": ("Metoprolol Tartrate", "25mg Tablet", "12.5", "mg", "PO/NG", 0),
    "cefazolin": ("CefazoLIN", "2g/100mL Bag", "2", "g", "IV", 8),
    "aspirin": ("Aspirin", "81mg Tablet", "81", "mg", "PO", 0),
    "propofol": ("Propofol", None, None, None, "IV DRIP", 0),
    "atorvastatin": ("Atorvastatin", "80mg Tablet", "80", "mg", "PO/NG", 0),
    "potassium": ("Potassium Chloride", "20mEq/50mL Bag", "40", "mEq", "IV", 12),
    "prednisone": ("PredniSONE", "20mg Tablet", "40", "mg", "PO/NG", 0),
    "lactulose": ("Lactulose", "20g/30mL Cup", "30", "mL", "PO/NG", 0),
    "acetaminophen": ("Acetaminophen", "325mg Tablet", "650-1000", "mg", "PO", 0),
    "levetiracetam": ("LevETIRAcetam", "500mg Tablet", "500", "mg", "PO/NG", 0),
}
ITEMS = (
    *("Chest X-Ray", "Arterial Line", "Invasive Ventilation", "Dialysis - CRRT", "Multi Lumen", "20 Gauge", "18 Gauge", "EKG"),
    *("Endoscopy", "CT scan", "Chest Tube Removed", "Cardiac Cath", "NaCl 0.9%", "Propofol", "Norepinephrine", "Foley", "Stool"),
)
LASTING = {"Arterial Line", "Invasive Ventilation", "Dialysis - CRRT", "Multi Lumen", "20 Gauge", "18 Gauge"}


def build_tables(stories: Iterable[Story]) -> Tables:
    """Every table's rows; the same for the same stories."""
    random = Random("synthetic MIMIC-IV")
    tables: Tables = {name: [] for name in _NAMES}
    tables["d_labitems"] = [
        {"itemid": 990_001 + i, "label": label, "fluid": fluid, "category": category}
        for i, (label, (fluid, category, *_)) in enumerate(LABS.items())
    ]
    tables["d_items"] = [{"itemid": 995_001 + i, "label": label, "abbreviation": label} for i, label in enumerate(ITEMS)]
    tables["d_icd_diagnoses"] = [{"icd_code": c, "icd_version": v, "long_title": t} for c, v, _, t in DIAGNOSES.values()]
    for story in stories:
        _one(tables, story, random)
    return tables


_NAMES = (
    *("patients", "admissions", "transfers", "labevents", "microbiologyevents", "prescriptions", "diagnoses_icd"),
    *("icustays", "inputevents", "outputevents", "procedureevents", "edstays", "triage"),
)


def _one(tables: Tables, story: Story, random: Random) -> None:
    year = 2150 + story.number
    admitted = datetime(year, 1 + story.number % 12, 3 + story.number, 7 + story.number, 15)  # noqa: DTZ001
    left = admitted + timedelta(hours=story.stayed["hours"])
    in_icu, out_icu = admitted + timedelta(hours=2.4), admitted + timedelta(hours=2.4 + story.stayed["hours"] * 0.55)
    ids = {"subject_id": story.subject_id, "hadm_id": story.hadm_id}
    stay = ids | {"stay_id": story.stay_id}

    anchor: Row = {
        "subject_id": story.subject_id,
        "gender": story.who["gender"],
        "anchor_age": story.who["age"],
        "anchor_year": year,
    }
    tables["patients"].append(anchor | {"anchor_year_group": "2017 - 2019", "dod": f"{left:%Y-%m-%d}" if story.died else ""})
    admission: Row = {
        "admittime": admitted,
        "dischtime": left,
        "admission_type": story.came["kind"],
        "admission_location": story.came["place"],
    }
    admission |= {
        "discharge_location": "DIED" if story.died else "HOME",
        "insurance": story.who["insurance"],
        "language": "ENGLISH",
    }
    admission |= {
        "marital_status": story.who["marital_status"],
        "race": story.who["race"],
        "hospital_expire_flag": int(story.died),
    }
    tables["admissions"].append(ids | admission | {"deathtime": left if story.died else ""})
    if "back_after_days" in story.stayed:
        back = left + timedelta(days=story.stayed["back_after_days"])
        again = admission | {"admittime": back, "dischtime": back + timedelta(days=3), "admission_type": "EW EMER."}
        tables["admissions"].append(ids | again | {"hadm_id": story.hadm_id + 500_000})
    tables["icustays"].append(
        stay
        | {"first_careunit": story.stayed["unit"], "last_careunit": story.stayed["unit"], "intime": in_icu, "outtime": out_icu}
    )
    for number, key in enumerate(story.diagnoses, 1):
        code, version, *_ = DIAGNOSES[key]
        tables["diagnoses_icd"].append(ids | {"seq_num": number, "icd_code": code, "icd_version": version})
    _moves(tables, story, ids, [admitted, in_icu, out_icu, left + timedelta(seconds=46)])
    _labs(tables, story, ids, admitted, random)
    _culture(tables, story, ids, admitted)
    _drugs(tables, story, ids, admitted, random)
    _intensive_care(tables, story, stay, in_icu, out_icu, random)


def _moves(tables: Tables, story: Story, ids: Row, times: list[datetime]) -> None:
    admitted, in_icu, out_icu, left = times
    rows = [
        ("admit", "Medicine", admitted),
        ("transfer", story.stayed["unit"], in_icu),
        ("transfer", "Medicine", out_icu),
        ("discharge", "", left),
    ]
    if story.came["place"] == "EMERGENCY ROOM":
        arrived, visit = admitted - timedelta(hours=3.75), {"stay_id": 93_000_001 + story.number}
        rows.insert(0, ("ED", "Emergency Department", arrived))
        tables["edstays"].append(
            ids | visit | {"intime": arrived, "outtime": admitted, "gender": story.who["gender"], "race": story.who["race"]}
        )
        tables["triage"].append(
            {"subject_id": story.subject_id, **visit, "heartrate": 96, "o2sat": 94, "chiefcomplaint": story.came["complaint"]}
        )
    for number, (kind, unit, time) in enumerate(rows):
        moved = {"transfer_id": 94_000_001 + 10 * story.number + number, "eventtype": kind, "careunit": unit, "intime": time}
        tables["transfers"].append(ids | moved)


def _labs(tables: Tables, story: Story, ids: Row, admitted: datetime, random: Random) -> None:
    n_draws = int(story.stayed["hours"] / 12) + 1
    for draw in range(n_draws):
        time = admitted + timedelta(hours=12 * draw - 0.5, minutes=random.randrange(90))
        specimen = len(tables["labevents"]) + 96_000_001
        for number, (label, (_, category, normal, unit, decimals, low, high)) in enumerate(LABS.items()):
            rare = label in ("Troponin T", "BNP", "Bilirubin", "INR") or category == "Blood Gas"
            if rare and label not in story.labs and draw % 3:
                continue
            sick = story.labs.get(label, 1.0)
            factor = 1 + (sick - 1) * (1 - draw / n_draws) ** 2 if not story.died else sick
            value = normal * factor * (1 + random.uniform(-0.03, 0.03) * (0.05 if label == "pH" else 1))
            written = f"{value:.{decimals}f}"
            row = ids | {"labevent_id": len(tables["labevents"]) + 1, "specimen_id": specimen + (category == "Blood Gas")}
            row |= {"itemid": 990_001 + number, "charttime": time, "storetime": time + timedelta(minutes=55), "valueuom": unit}
            row |= {"value": "___" if label == "Glucose" and draw == 1 else written, "valuenum": written}
            row |= {"flag": "" if low <= float(written) <= high else "abnormal", "ref_range_lower": low, "ref_range_upper": high}
            tables["labevents"].append(row)


def _culture(tables: Tables, story: Story, ids: Row, admitted: datetime) -> None:
    taken, known = admitted + timedelta(hours=1.1), admitted + timedelta(hours=42.1)
    row = ids | {"chartdate": taken, "charttime": taken, "storedate": known, "storetime": known, "test_seq": 1}
    screen: Row = {
        "spec_itemid": 70_091,
        "spec_type_desc": "MRSA SCREEN",
        "test_name": "MRSA SCREEN",
        "comments": "No MRSA isolated.  ",
    }
    blood: Row = {"spec_itemid": 70_012, "spec_type_desc": "BLOOD CULTURE", "test_name": "Blood Culture, Routine"}
    results: list[Row] = [screen]
    if story.culture:
        tested = (("CEFTRIAXONE", "S"), ("GENTAMICIN", "S"), ("CIPROFLOXACIN", "R"))
        results += [blood | {"org_name": story.culture, "ab_name": drug, "interpretation": result} for drug, result in tested]
    else:
        results.append(blood | {"comments": "NO GROWTH.  "})
    for result in results:
        tables["microbiologyevents"].append({"microevent_id": len(tables["microbiologyevents"]) + 1} | row | result)


def _drugs(tables: Tables, story: Story, ids: Row, admitted: datetime, random: Random) -> None:
    for key in story.drugs:
        name, strength, dose, unit, route, every = DRUGS[key]
        start = admitted + timedelta(hours=1 + random.randrange(5))
        hours = story.stayed["hours"] - 6
        starts = [start + timedelta(hours=h) for h in range(0, int(hours), 48)] if every else [start]
        for begin in starts:
            lasts = min(48.0, hours) if every else hours * random.uniform(0.4, 0.9)
            row = ids | {"pharmacy_id": 97_000_001 + len(tables["prescriptions"]), "starttime": begin}
            row |= {"stoptime": begin + timedelta(hours=int(lasts)), "drug_type": "MAIN", "drug": name, "prod_strength": strength}
            tables["prescriptions"].append(row | {"dose_val_rx": dose, "dose_unit_rx": unit, "route": route})


def _intensive_care(tables: Tables, story: Story, stay: Row, begin: datetime, end: datetime, random: Random) -> None:
    item = {label: 995_001 + i for i, label in enumerate(ITEMS)}
    hours = (end - begin).total_seconds() / 3600
    for number, label in enumerate(story.procedures):
        start = begin + timedelta(minutes=20 + 95 * number)
        lasts = timedelta(hours=int(hours * 0.7)) if label in LASTING else timedelta(minutes=1)
        row = stay | {
            "itemid": item[label],
            "starttime": start,
            "endtime": start + lasts,
            "orderid": 98_000_001 + len(tables["procedureevents"]),
        }
        tables["procedureevents"].append(
            row | {"storetime": f"{start + lasts}.983", "value": lasts.total_seconds() / 60, "valueuom": "min"}
        )
    drips = [("NaCl 0.9%", "ml", 80.0)] + [
        (n, u, a) for n, u, a in (("Propofol", "mg", 45.5), ("Norepinephrine", "mg", 0.64)) if n.lower() in story.drugs
    ]
    for label, unit, per_hour in drips:
        for hour in range(1, int(hours) - 4, 8):
            runs = random.choice((2.5, 4.0, 6.25))
            start = begin + timedelta(hours=hour)
            row = stay | {
                "itemid": item[label],
                "starttime": start,
                "endtime": start + timedelta(hours=runs),
                "storetime": start,
            }
            order = 99_000_001 + len(tables["inputevents"])
            tables["inputevents"].append(
                row | {"amount": per_hour * runs, "amountuom": unit, "orderid": order, "linkorderid": order}
            )
    for hour in range(2, int(hours), 4):
        time = begin + timedelta(hours=hour)
        row = stay | {
            "itemid": item["Foley"],
            "charttime": time,
            "storetime": time,
            "value": 10 * random.randrange(3, 40),
            "valueuom": "ml",
        }
        tables["outputevents"].append(row)
