"""MIMIC-Instr's prediction tasks: cohorts, labels and their reader."""
