"""OMOP CDM 5.4: the tables of a hospital's common data model as records."""
