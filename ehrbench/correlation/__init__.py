"""Metrics beside people: tables of ranks and scores in, correlations, tests and comparisons out."""
