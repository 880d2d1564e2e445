"""Runs: plan, engine, store, resume, manifest and the data-policy gate."""
