"""MIMIC-Instr: questions about one hospital admission, built from MIMIC-IV, and its prediction tasks."""
