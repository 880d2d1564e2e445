"""Holding a study: clinicians judge blinded answers, and what they say becomes the table that every statistic here reads."""
