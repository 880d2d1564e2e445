"""EHR-Bench: decisions and risks at one moment of a patient's record."""
