"""MedS-Bench's withdrawn files, built from the user's own copies of their sources by the paper's rules."""

from ehrbench.suites.meds_bench.build.prepare import Built, Sources, prepare

__all__ = ["Built", "Sources", "prepare"]
