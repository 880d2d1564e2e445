"""EHRSHOT: fifteen predictions about patients of Stanford Medicine, each at a time of a long record."""

from ehrbench.registry import Suite

SUITE = Suite(
    name="ehrshot",
    title="EHRSHOT",
    about="Fifteen predictions from long hospital records: stays, laboratory results, new diagnoses and chest X-rays.",
    entries={
        "reader": {"ehrshot": "ehrbench.suites.ehrshot.reader:read"},
        "sample": {"ehrshot": "ehrbench.suites.ehrshot.sample:generate"},
        "command": {"data prepare ehrshot": "ehrbench.suites.ehrshot.commands:prepare_ehrshot"},
    },
)
