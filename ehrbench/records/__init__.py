"""Records: a patient's chart as text with dated entries, and its renderings."""

from ehrbench.records.files import RECORD_FILES
from ehrbench.records.record import Entry, Record

__all__ = ["RECORD_FILES", "Entry", "Record"]
