"""Scoring: stored predictions in, scores and a result out."""
