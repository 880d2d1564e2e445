"""A study: models, tasks and a grid of settings in one file, run as ordinary runs and reported as one table per question."""
