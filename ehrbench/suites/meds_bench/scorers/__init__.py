"""MedS-Bench's scorers. docs/metrics-meds-bench.md says what each does and which protocol it belongs to."""

PAPER = "Wu et al. arXiv:2408.12547, as the authors' code computes it: protocol page of MedS-Bench, section "
"""Where a metric of the ``paper`` protocol is from; the section's number follows."""
OURS = "ehrbench's correction of the metric of Wu et al., arXiv:2408.12547: docs/metrics-meds-bench.md."
"""Where one of the ``clean`` protocol is from."""
