"""MIMIC-IV's tables turned into events, questions, samples and cohorts."""
