"""MedS-Bench: eleven categories of clinical text tasks."""
