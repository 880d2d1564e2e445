"""Numbers of runs that are going on, for MLflow, Weights & Biases and Trackio: each in a process of its own, told by events."""
