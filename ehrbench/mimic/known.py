"""Which copies of MIMIC-IV are the open demo: known by the hashes of its files, which PhysioNet publishes beside them.

The MIMIC-IV and MIMIC-IV-ED demos (version 2.2, 100 patients, no notes) are under the Open Database License; everything else
that looks like MIMIC-IV is credentialed. A changed or repacked file is not known, and so not open.
"""

from __future__ import annotations

from collections.abc import Iterable

from ehrbench.mimic.schema import TABLES
from ehrbench.mimic.tables import Mimic

NOTICE = (
    "Contains information from the MIMIC-IV Clinical Database Demo v2.2 and the MIMIC-IV-ED Demo v2.2 (Johnson A. et al., "
    "PhysioNet), made available under the ODbL 1.0."
)


def is_open_demo(mimic: Mimic, tables: Iterable[str]) -> bool:
    """Whether each of the tables named is, byte for byte, the open demo's."""
    return all(mimic.digest(name) == _DEMO.get(f"{TABLES[name].module}/{name}") for name in tables)


_DEMO = {
    "ed/diagnosis": "3a2d6bfb402d5783f1950f4729dd378e825475719f0535fb6b0209c2bc0744e9",
    "ed/edstays": "fc185cb111a70e9dfd8457c6e1da4f9366dee729e072282995dcd7045a5a3c52",
    "ed/medrecon": "efdab040cede0ef19997d6c5f55f3e8cbaccdfdf7b502fc779420ddcbf47804c",
    "ed/pyxis": "9019853bc68c0467ee26d3dcedf4d3dcbaa7a01ffb2f819adb99b2072fa84ec0",
    "ed/triage": "086dadcb49adc5f24bdda0e342ec9cf0fbcb2e9595516c5c101d408434e1e09b",
    "ed/vitalsign": "89967d8b9dd139d540e9d08270bb6282dd2df0eb7111d38bfe2a79c0b291ab78",
    "hosp/admissions": "910b9f160ffdf1e08ea673585393f347c773ccc87d66875c627584a903ae8493",
    "hosp/d_hcpcs": "493ea7fe1d22afd5abd9138be8a4e50c776986feded6891143120d2bc724d881",
    "hosp/d_icd_diagnoses": "0f715a3c4c5e44400305d4deb86ff648e499a3bfcb946f353e8b030022d3ec06",
    "hosp/d_icd_procedures": "a921a20fbf3220e2a7fe874d6392d671c1cc769a001ef0a7841b80eb01030bb6",
    "hosp/d_labitems": "72ea5f020469fd24543bd98ab3bd0a4f645a5a4b7802d9d52af20d736f9d76db",
    "hosp/diagnoses_icd": "958565670c0b3903c0c12825366dc2bae8561d2d55f16feac0c949dd630ed3e4",
    "hosp/drgcodes": "9ec47b7a49514cfe243236ca2eb5c5b517d2215d6589efb2bd80166883243537",
    "hosp/emar": "f14a4b5597abcc2e8d62d291c7839347ef6260d4c548ea534ab62df6b2f49adc",
    "hosp/emar_detail": "8ca5a09f2fa2e0ad5d77121fd62bf5f58bad056713223d9758b4ecd03fa0a435",
    "hosp/hcpcsevents": "87f8af876aa6a608c6761068386e93e0c91b59ff2ce0d7a650fe8d5ba833247d",
    "hosp/labevents": "d51a4cf1ea63245abe7d544b0d50a928e9ee2ec5eb9a5ce85500aed0bd6c6dfc",
    "hosp/microbiologyevents": "fa462443cc5777ebf9d833f71c67f2a89b4a074eb376320da70bed220e918ad4",
    "hosp/omr": "6d7c69dbb2c79b9d1de7d1e68f3424ad248821d7c074dc6537d7290774af39b9",
    "hosp/patients": "59dcc6cd8450ddf03ad32cc7d76e41caa4c9633541715987f590c74835cf6fae",
    "hosp/pharmacy": "3403865a279464b14d038a66b30ba3d609933f517262ea0402fef020046bd197",
    "hosp/poe": "bf850e1519f2c3df8c706dc5e2afcb83e86e1d6e4afd7c01426b6b07d25cfeef",
    "hosp/poe_detail": "7010cbc4d74e9a7c998be33c3736af301ebe2c6678969e25800d28e90a2b5825",
    "hosp/prescriptions": "33c392ba5b9299b08eca0a61911ba106f0aebdba26ed31b856bb9ffd49fe3654",
    "hosp/procedures_icd": "68f21dcba9ae0c4b7faa3ef38aa950a8ebeb6d167bc74416314dccdcf28674e0",
    "hosp/provider": "7a56a24cfe2fcd5ed1995c696417bf8f5c09088eb546503b07362c504228c63a",
    "hosp/services": "28306d68e952fe2cc9ef6e60b0afda93c27d7a06bee8ef39e71ccc4de5ded793",
    "hosp/transfers": "41151539886d12d57159b65ffe4d7df5a7ef8ceb7cd113ea9a56fbfbfd78a87c",
    "icu/caregiver": "88ee01d7f21aadee273e2d1ce65b0f14fe96fe87ab42e2b40c89aa8103ef6371",
    "icu/chartevents": "90f096ad3db847ed1aaec073f8d86053c51fea7b616d3b046410e030f083d560",
    "icu/d_items": "1690467a822345226a041c1149237c418aa60098c6b699fb4cef64d73588a01f",
    "icu/datetimeevents": "b9f05bb9b1c5aa52e9f25585853583a2e07046f22ed68419c20ef8daa8762da5",
    "icu/icustays": "e05e81aa52a3022e522b6832a898101a69b84e64c17bb344d819e458d5bc21b3",
    "icu/ingredientevents": "c9b0afdca936a9485422f72d227b3d1942125bb6d969eef57fdf0233458c6b23",
    "icu/inputevents": "69597dca47e554e16645ca505167e9f39b07c1724e915ba54ccfb40f5fa0078a",
    "icu/outputevents": "3bcf68adaa11070d6c24e13d4bfaaf718606cd33b0df7f28e0de240c357a869e",
    "icu/procedureevents": "37454f286dc1eee6cef666b4fdf91452eb8bea6bfc3cf98d4ad179ebb4a741fa",
}
