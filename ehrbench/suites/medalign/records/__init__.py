"""MedAlign's records: the release's XML dialects as one record with dated entries."""
