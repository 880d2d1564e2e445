"""FHIR R4 bulk exports (NDJSON), read without conversion."""
