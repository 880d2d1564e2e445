"""Readers: each turns a release's files into items and records."""

from typing import Any

from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.readers.reader import Reader, ReaderOptions, reader
from ehrbench.registry import Registry

__all__ = ["READERS", "Dataset", "Item", "Reader", "ReaderOptions", "reader"]

READERS: Registry[Reader[Any]] = Registry(
    "reader",
    {
        "fhir": "ehrbench.readers.fhir.reader:read",
        "hf": "ehrbench.readers.hf.reader:read",
        "jsonl": "ehrbench.readers.jsonl:read",
        "lm_eval": "ehrbench.readers.lm_eval.reader:read",
        "meds": "ehrbench.readers.meds.reader:read",
        "omop": "ehrbench.readers.omop.reader:read",
    },
    "ehrbench.readers",
    expected=Reader,
)
