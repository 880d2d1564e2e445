"""EHR-Bench: decisions and risks at one moment of a patient's record."""

from ehrbench.registry import Suite

SUITE = Suite(
    name="ehr_bench",
    title="EHR-Bench",
    about=(
        "What comes next for a patient of MIMIC-IV (24 decisions) and which of 18 risks lie ahead, asked at one moment "
        "of the record."
    ),
    entries={
        "reader": {
            "ehr_bench": "ehrbench.suites.ehr_bench.reader:read",
        },
        "sample": {
            "ehr_bench": "ehrbench.suites.ehr_bench.sample:generate",
        },
        "metric": {
            "set_f1": "ehrbench.suites.ehr_bench.scorers:SET_F1",
            "set_precision": "ehrbench.suites.ehr_bench.scorers:SET_PRECISION",
            "set_recall": "ehrbench.suites.ehr_bench.scorers:SET_RECALL",
            "set_f1_strict": "ehrbench.suites.ehr_bench.scorers:SET_F1_STRICT",
            "set_precision_strict": "ehrbench.suites.ehr_bench.scorers:SET_PRECISION_STRICT",
            "set_recall_strict": "ehrbench.suites.ehr_bench.scorers:SET_RECALL_STRICT",
            "prefix_match": "ehrbench.suites.ehr_bench.scorers:PREFIX_MATCH",
            "first_line_match": "ehrbench.suites.ehr_bench.scorers:FIRST_LINE_MATCH",
        },
        "command": {
            "data prepare ehr_bench": "ehrbench.suites.ehr_bench.commands:prepare_release",
        },
    },
)
