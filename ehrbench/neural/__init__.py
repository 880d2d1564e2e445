"""Metrics that need a network's weights: BERTScore in this process, COMET and its kin in a worker process.

Nothing is ever downloaded here: weights are found on this machine, or the metric says what to fetch and where to put it.
"""
