"""Models that need no weights: baselines and answers made elsewhere."""
