"""Readers: one a release layout, each turning files into items and records."""

from ehrbench.readers.dataset import Dataset, Reader
from ehrbench.readers.item import Item
from ehrbench.registry import Registry

__all__ = ["READERS", "Dataset", "Item", "Reader"]

READERS: Registry[Reader] = Registry(
    "reader",
    {
        "ehr_bench": "ehrbench.suites.ehr_bench.reader:read",
        "jsonl": "ehrbench.readers.jsonl:read",
        "lm_eval": "ehrbench.readers.lm_eval.reader:read",
        "medalign": "ehrbench.suites.medalign.reader:read",
        "meds_bench": "ehrbench.suites.meds_bench.reader:read",
        "meds_bench_submission": "ehrbench.suites.meds_bench.submission.reader:read",
        "meds": "ehrbench.readers.meds.reader:read",
        "mimic_instr": "ehrbench.suites.mimic_instr.reader:read",
        "mimic_prediction": "ehrbench.suites.mimic_instr.prediction.reader:read",
    },
    "ehrbench.readers",
)
