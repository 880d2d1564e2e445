"""MIMIC-Instr: questions about one hospital admission, built from MIMIC-IV, and its prediction tasks."""

from ehrbench.registry import Suite

SUITE = Suite(
    name="mimic_instr",
    title="MIMIC-Instr",
    about=(
        "Questions about one hospital admission of MIMIC-IV, made from its tables or its discharge summary, and four "
        "prediction tasks."
    ),
    entries={
        "reader": {
            "mimic_instr": "ehrbench.suites.mimic_instr.reader:read",
            "mimic_prediction": "ehrbench.suites.mimic_instr.prediction.reader:read",
        },
        "sample": {
            "mimic_instr": "ehrbench.suites.mimic_instr.sample:generate",
            "mimic_prediction": "ehrbench.suites.mimic_instr.prediction.sample:generate",
        },
        "command": {
            "data prepare mimic_instr": "ehrbench.suites.mimic_instr.commands:prepare_instr",
            "data prepare mimic_prediction": "ehrbench.suites.mimic_instr.commands:prepare_prediction_tasks",
            "data author": "ehrbench.suites.mimic_instr.authoring.commands:app",
        },
    },
)
