"""MedS-Bench's scorers. docs/metrics-meds-bench.md says what each does and which protocol it belongs to."""
