"""Building MIMIC-Instr's event lists and questions from MIMIC-IV's tables."""
