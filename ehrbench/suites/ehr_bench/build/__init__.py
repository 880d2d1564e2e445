"""EHR-Bench rebuilt from MIMIC-IV's tables: events, samples and their serialised contexts (protocol page, sections 3.1 and 6)."""
