"""Statistics with numpy alone: aggregates, intervals, tests and rank correlation."""
