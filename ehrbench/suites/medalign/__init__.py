"""MedAlign: clinicians' instructions about long records, and what clinicians thought of six models' answers."""
