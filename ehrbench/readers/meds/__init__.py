"""MEDS, the Medical Event Data Standard: any hospital's extract."""
