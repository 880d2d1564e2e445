"""Readers: one a release layout, each turning files into items and records."""

from ehrbench.datasets.dataset import Dataset, Reader
from ehrbench.datasets.item import Item
from ehrbench.registry import Registry

__all__ = ["READERS", "Dataset", "Item", "Reader"]

READERS: Registry[Reader] = Registry(
    "reader",
    {
        "ehr_bench": "ehrbench.datasets.ehr_bench:read",
        "jsonl": "ehrbench.datasets.jsonl:read",
        "lm_eval": "ehrbench.lm_eval_bridge.reader:read",
        "medalign": "ehrbench.datasets.medalign:read",
        "meds_bench": "ehrbench.datasets.meds_bench:read",
        "meds_bench_submission": "ehrbench.datasets.meds_bench_submission:read",
        "meds": "ehrbench.datasets.meds:read",
        "mimic_instr": "ehrbench.datasets.mimic_instr:read",
        "mimic_prediction": "ehrbench.datasets.mimic_prediction:read",
    },
    "ehrbench.readers",
)
