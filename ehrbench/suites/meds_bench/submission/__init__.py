"""MedS-Bench's submission files: read, scored and written."""
