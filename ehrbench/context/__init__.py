"""Fitting a record into a window: truncate, refine, retrieve."""

from ehrbench.context.fitted import Fitted

__all__ = ["Fitted"]
