"""The columns of MIMIC-IV 2.2 and 3.1 (hosp, icu), MIMIC-IV-ED 2.2 and MIMIC-IV-Note 2.2, with their types.

Identifiers that are numbers are ``int``; codes, measured values and doses stay text: ``0090`` and ``>60`` are not numbers.
Sources: the releases' own headers, https://mimic.mit.edu/docs/iv/modules/; of keys, ``constraint.sql`` in MIT-LCP/mimic-code for
MIMIC-IV and MIMIC-IV-ED, with ``emar_seq`` and ``poe_seq`` in place of ``emar_id`` and ``poe_id``, which are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Module = Literal["hosp", "icu", "ed", "note"]
Kind = Literal["int", "float", "text", "time", "date"]


@dataclass(frozen=True)
class Table:
    """One table of a release."""

    name: str
    module: Module
    columns: Mapping[str, Kind]
    """In the release's order."""
    optional: frozenset[str]
    """Columns that older releases of MIMIC-IV do not have."""
    key: tuple[str, ...]
    """Columns that tell all of its rows apart, in the release's order of rows; none where it has no such columns."""


_KINDS: dict[str, Kind] = {"i": "int", "f": "float", "s": "text", "t": "time", "d": "date"}

# A table begins at the margin; a column is ``name:kind``, without a kind it is text; ``?`` marks one of newer releases only.
# After ``/`` stand the columns of its key.
_HOSP = """
admissions subject_id:i hadm_id:i admittime:t dischtime:t deathtime:t admission_type admit_provider_id? admission_location
    discharge_location insurance language marital_status race edregtime:t edouttime:t hospital_expire_flag:i / hadm_id
d_hcpcs code category:i long_description short_description
d_icd_diagnoses icd_code icd_version:i long_title
d_icd_procedures icd_code icd_version:i long_title
d_labitems itemid:i label fluid category
diagnoses_icd subject_id:i hadm_id:i seq_num:i icd_code icd_version:i / hadm_id seq_num icd_code icd_version
drgcodes subject_id:i hadm_id:i drg_type drg_code description drg_severity:i drg_mortality:i
emar subject_id:i hadm_id:i emar_id emar_seq:i poe_id pharmacy_id:i enter_provider_id? charttime:t medication event_txt
    scheduletime:t storetime:t / subject_id emar_seq
emar_detail subject_id:i emar_id emar_seq:i parent_field_ordinal administration_type pharmacy_id:i barcode_type
    reason_for_no_barcode complete_dose_not_given dose_due dose_due_unit dose_given dose_given_unit
    will_remainder_of_dose_be_given product_amount_given product_unit product_code product_description
    product_description_other prior_infusion_rate infusion_rate infusion_rate_adjustment infusion_rate_adjustment_amount
    infusion_rate_unit route infusion_complete completion_interval new_iv_bag_hung continued_infusion_in_other_location
    restart_interval side site non_formulary_visual_verification
hcpcsevents subject_id:i hadm_id:i chartdate:d hcpcs_cd seq_num:i short_description / hadm_id seq_num hcpcs_cd
labevents labevent_id:i subject_id:i hadm_id:i specimen_id:i itemid:i order_provider_id? charttime:t storetime:t value
    valuenum:f valueuom ref_range_lower:f ref_range_upper:f flag priority comments / labevent_id
microbiologyevents microevent_id:i subject_id:i hadm_id:i micro_specimen_id:i order_provider_id? chartdate:d charttime:t
    spec_itemid:i spec_type_desc test_seq:i storedate:d storetime:t test_itemid:i test_name org_itemid:i org_name
    isolate_num:i quantity ab_itemid:i ab_name dilution_text dilution_comparison dilution_value:f interpretation comments
    / microevent_id
omr subject_id:i chartdate:d seq_num:i result_name result_value
patients subject_id:i gender anchor_age:i anchor_year:i anchor_year_group dod:d / subject_id
pharmacy subject_id:i hadm_id:i pharmacy_id:i poe_id starttime:t stoptime:t medication proc_type status entertime:t
    verifiedtime:t route frequency disp_sched infusion_type sliding_scale lockout_interval basal_rate:f one_hr_max
    doses_per_24_hrs:f duration:f duration_interval expiration_value:i expiration_unit expirationdate:t dispensation
    fill_quantity / pharmacy_id
poe poe_id poe_seq:i subject_id:i hadm_id:i ordertime:t order_type order_subtype transaction_type discontinue_of_poe_id
    discontinued_by_poe_id order_provider_id? order_status / subject_id poe_seq
poe_detail poe_id poe_seq:i subject_id:i field_name field_value
prescriptions subject_id:i hadm_id:i pharmacy_id:i poe_id poe_seq:i? order_provider_id? starttime:t stoptime:t drug_type drug
    formulary_drug_cd gsn ndc prod_strength form_rx dose_val_rx dose_unit_rx form_val_disp form_unit_disp doses_per_24_hrs:f
    route / pharmacy_id drug_type drug
procedures_icd subject_id:i hadm_id:i seq_num:i chartdate:d icd_code icd_version:i / hadm_id seq_num icd_code icd_version
provider provider_id
services subject_id:i hadm_id:i transfertime:t prev_service curr_service / hadm_id transfertime curr_service
transfers subject_id:i hadm_id:i transfer_id:i eventtype careunit intime:t outtime:t / transfer_id
"""
_ICU = """
caregiver caregiver_id:i
chartevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value valuenum:f valueuom
    warning:i
d_items itemid:i label abbreviation linksto category unitname param_type lownormalvalue:f highnormalvalue:f
datetimeevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value valueuom warning:i
    / stay_id charttime itemid
icustays subject_id:i hadm_id:i stay_id:i first_careunit last_careunit intime:t outtime:t los:f / stay_id
ingredientevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i amount:f
    amountuom rate:f rateuom orderid:i linkorderid:i statusdescription originalamount:f originalrate:f
inputevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i amount:f amountuom
    rate:f rateuom orderid:i linkorderid:i ordercategoryname secondaryordercategoryname ordercomponenttypedescription
    ordercategorydescription patientweight:f totalamount:f totalamountuom isopenbag:i continueinnextdept:i statusdescription
    originalamount:f originalrate:f / orderid itemid
outputevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value:f valueuom
    / stay_id charttime itemid
procedureevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i value:f valueuom
    location locationcategory orderid:i linkorderid:i ordercategoryname ordercategorydescription patientweight:f isopenbag:i
    continueinnextdept:i statusdescription originalamount:f originalrate:f / orderid
"""
_ED = """
diagnosis subject_id:i stay_id:i seq_num:i icd_code icd_version:i icd_title / stay_id seq_num
edstays subject_id:i hadm_id:i stay_id:i intime:t outtime:t gender race arrival_transport disposition / stay_id
medrecon subject_id:i stay_id:i charttime:t name gsn ndc etc_rn:i etccode etcdescription
pyxis subject_id:i stay_id:i charttime:t med_rn:i name gsn_rn:i gsn
triage subject_id:i stay_id:i temperature:f heartrate:f resprate:f o2sat:f sbp:f dbp:f pain acuity:f chiefcomplaint / stay_id
vitalsign subject_id:i stay_id:i charttime:t temperature:f heartrate:f resprate:f o2sat:f sbp:f dbp:f rhythm pain
    / stay_id charttime
"""
_NOTE = """
discharge note_id subject_id:i hadm_id:i note_type note_seq:i charttime:t storetime:t text / note_id
discharge_detail note_id subject_id:i field_name field_value field_ordinal:i
radiology note_id subject_id:i hadm_id:i note_type note_seq:i charttime:t storetime:t text / note_id
radiology_detail note_id subject_id:i field_name field_value field_ordinal:i
"""


def _parse(module: Module, lines: str) -> dict[str, Table]:
    tables = {}
    for line in lines.replace("\n    ", " ").strip().splitlines():
        described, _, key = line.partition(" / ")
        name, *cells = described.split()
        columns = {}
        for cell in cells:
            column, _, kind = cell.rstrip("?").partition(":")
            columns[column] = _KINDS[kind or "s"]
        optional = frozenset(cell.rstrip("?").partition(":")[0] for cell in cells if cell.endswith("?"))
        tables[name] = Table(name, module, columns, optional, tuple(key.split()))
    return tables


TABLES: Mapping[str, Table] = _parse("hosp", _HOSP) | _parse("icu", _ICU) | _parse("ed", _ED) | _parse("note", _NOTE)
"""Every table by name; names are unique over the modules."""
