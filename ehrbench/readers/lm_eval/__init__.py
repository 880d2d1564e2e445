"""lm-evaluation-harness, through a narrow door: its task files, its prompts, its filters and its per-item metrics.

Never its caches, its truncation, its API clients or its standard errors: requests go through our engine, answers lie in our run
folders, and intervals are ours.
"""
