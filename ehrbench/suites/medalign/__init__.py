"""MedAlign: clinicians' instructions about long records, and what clinicians thought of six models' answers."""

from ehrbench.registry import Suite

SUITE = Suite(
    name="medalign",
    title="MedAlign",
    about=(
        "303 instructions that clinicians wrote about the whole records of 276 patients, with their own answers and their "
        "ranking of six models."
    ),
    entries={
        "reader": {
            "medalign": "ehrbench.suites.medalign.reader:read",
        },
        "sample": {
            "medalign": "ehrbench.suites.medalign.sample:generate",
        },
        "ratings": {"medalign": "ehrbench.suites.medalign.rated:read_release"},
        "rating layout": {"medalign": "ehrbench.suites.medalign.export:write_ratings"},
        "record file": {
            "xml": "ehrbench.suites.medalign.records.xml:load_record",
        },
    },
)
