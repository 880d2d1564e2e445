"""Records: a patient's chart as text with dated entries, and its renderings."""

from ehrbench.records.files import RECORD_FILES, is_record_file, read_record_file
from ehrbench.records.record import Entry, Record

__all__ = ["RECORD_FILES", "Entry", "Record", "is_record_file", "read_record_file"]
