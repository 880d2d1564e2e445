"""The columns of MIMIC-IV 2.2 and 3.1 (hosp, icu), MIMIC-IV-ED 2.2 and MIMIC-IV-Note 2.2, with their types.

Identifiers that are numbers are ``int``; codes, measured values and doses stay text: ``0090`` and ``>60`` are not numbers.
Sources: the releases' own headers, https://mimic.mit.edu/docs/iv/modules/.
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


_KINDS: dict[str, Kind] = {"i": "int", "f": "float", "s": "text", "t": "time", "d": "date"}

# A table begins at the margin; a column is ``name:kind``, without a kind it is text; ``?`` marks one of newer releases only.
_HOSP = """
admissions subject_id:i hadm_id:i admittime:t dischtime:t deathtime:t admission_type admit_provider_id? admission_location
    discharge_location insurance language marital_status race edregtime:t edouttime:t hospital_expire_flag:i
d_hcpcs code category:i long_description short_description
d_icd_diagnoses icd_code icd_version:i long_title
d_icd_procedures icd_code icd_version:i long_title
d_labitems itemid:i label fluid category
diagnoses_icd subject_id:i hadm_id:i seq_num:i icd_code icd_version:i
drgcodes subject_id:i hadm_id:i drg_type drg_code description drg_severity:i drg_mortality:i
emar subject_id:i hadm_id:i emar_id emar_seq:i poe_id pharmacy_id:i enter_provider_id? charttime:t medication event_txt
    scheduletime:t storetime:t
emar_detail subject_id:i emar_id emar_seq:i parent_field_ordinal administration_type pharmacy_id:i barcode_type
    reason_for_no_barcode complete_dose_not_given dose_due dose_due_unit dose_given dose_given_unit
    will_remainder_of_dose_be_given product_amount_given product_unit product_code product_description
    product_description_other prior_infusion_rate infusion_rate infusion_rate_adjustment infusion_rate_adjustment_amount
    infusion_rate_unit route infusion_complete completion_interval new_iv_bag_hung continued_infusion_in_other_location
    restart_interval side site non_formulary_visual_verification
hcpcsevents subject_id:i hadm_id:i chartdate:d hcpcs_cd seq_num:i short_description
labevents labevent_id:i subject_id:i hadm_id:i specimen_id:i itemid:i order_provider_id? charttime:t storetime:t value
    valuenum:f valueuom ref_range_lower:f ref_range_upper:f flag priority comments
microbiologyevents microevent_id:i subject_id:i hadm_id:i micro_specimen_id:i order_provider_id? chartdate:d charttime:t
    spec_itemid:i spec_type_desc test_seq:i storedate:d storetime:t test_itemid:i test_name org_itemid:i org_name
    isolate_num:i quantity ab_itemid:i ab_name dilution_text dilution_comparison dilution_value:f interpretation comments
omr subject_id:i chartdate:d seq_num:i result_name result_value
patients subject_id:i gender anchor_age:i anchor_year:i anchor_year_group dod:d
pharmacy subject_id:i hadm_id:i pharmacy_id:i poe_id starttime:t stoptime:t medication proc_type status entertime:t
    verifiedtime:t route frequency disp_sched infusion_type sliding_scale lockout_interval basal_rate:f one_hr_max
    doses_per_24_hrs:f duration:f duration_interval expiration_value:i expiration_unit expirationdate:t dispensation
    fill_quantity
poe poe_id poe_seq:i subject_id:i hadm_id:i ordertime:t order_type order_subtype transaction_type discontinue_of_poe_id
    discontinued_by_poe_id order_provider_id? order_status
poe_detail poe_id poe_seq:i subject_id:i field_name field_value
prescriptions subject_id:i hadm_id:i pharmacy_id:i poe_id poe_seq:i? order_provider_id? starttime:t stoptime:t drug_type drug
    formulary_drug_cd gsn ndc prod_strength form_rx dose_val_rx dose_unit_rx form_val_disp form_unit_disp doses_per_24_hrs:f
    route
procedures_icd subject_id:i hadm_id:i seq_num:i chartdate:d icd_code icd_version:i
provider provider_id
services subject_id:i hadm_id:i transfertime:t prev_service curr_service
transfers subject_id:i hadm_id:i transfer_id:i eventtype careunit intime:t outtime:t
"""
_ICU = """
caregiver caregiver_id:i
chartevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value valuenum:f valueuom
    warning:i
d_items itemid:i label abbreviation linksto category unitname param_type lownormalvalue:f highnormalvalue:f
datetimeevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value valueuom warning:i
icustays subject_id:i hadm_id:i stay_id:i first_careunit last_careunit intime:t outtime:t los:f
ingredientevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i amount:f
    amountuom rate:f rateuom orderid:i linkorderid:i statusdescription originalamount:f originalrate:f
inputevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i amount:f amountuom
    rate:f rateuom orderid:i linkorderid:i ordercategoryname secondaryordercategoryname ordercomponenttypedescription
    ordercategorydescription patientweight:f totalamount:f totalamountuom isopenbag:i continueinnextdept:i statusdescription
    originalamount:f originalrate:f
outputevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? charttime:t storetime:t itemid:i value:f valueuom
procedureevents subject_id:i hadm_id:i stay_id:i caregiver_id:i? starttime:t endtime:t storetime:t itemid:i value:f valueuom
    location locationcategory orderid:i linkorderid:i ordercategoryname ordercategorydescription patientweight:f isopenbag:i
    continueinnextdept:i statusdescription originalamount:f originalrate:f
"""
_ED = """
diagnosis subject_id:i stay_id:i seq_num:i icd_code icd_version:i icd_title
edstays subject_id:i hadm_id:i stay_id:i intime:t outtime:t gender race arrival_transport disposition
medrecon subject_id:i stay_id:i charttime:t name gsn ndc etc_rn:i etccode etcdescription
pyxis subject_id:i stay_id:i charttime:t med_rn:i name gsn_rn:i gsn
triage subject_id:i stay_id:i temperature:f heartrate:f resprate:f o2sat:f sbp:f dbp:f pain acuity:f chiefcomplaint
vitalsign subject_id:i stay_id:i charttime:t temperature:f heartrate:f resprate:f o2sat:f sbp:f dbp:f rhythm pain
"""
_NOTE = """
discharge note_id subject_id:i hadm_id:i note_type note_seq:i charttime:t storetime:t text
discharge_detail note_id subject_id:i field_name field_value field_ordinal:i
radiology note_id subject_id:i hadm_id:i note_type note_seq:i charttime:t storetime:t text
radiology_detail note_id subject_id:i field_name field_value field_ordinal:i
"""


def _parse(module: Module, lines: str) -> dict[str, Table]:
    tables = {}
    for line in lines.replace("\n    ", " ").strip().splitlines():
        name, *cells = line.split()
        columns = {}
        for cell in cells:
            column, _, kind = cell.rstrip("?").partition(":")
            columns[column] = _KINDS[kind or "s"]
        optional = frozenset(cell.rstrip("?").partition(":")[0] for cell in cells if cell.endswith("?"))
        tables[name] = Table(name, module, columns, optional)
    return tables


TABLES: Mapping[str, Table] = _parse("hosp", _HOSP) | _parse("icu", _ICU) | _parse("ed", _ED) | _parse("note", _NOTE)
"""Every table by name; names are unique over the modules."""
