"""MedS-Bench's withdrawn files, built from the user's own copies of their sources by the paper's rules."""

from ehrbench.datasets.meds_bench_build.prepare import Built, Sources, prepare

__all__ = ["Built", "Sources", "prepare"]
