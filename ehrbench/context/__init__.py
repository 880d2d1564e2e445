"""Fitting a record into a window: truncate, refine, retrieve."""

from ehrbench.context.fitted import Fitted, Part
from ehrbench.context.window import Frame, Limit, Overflow, Window

__all__ = ["Fitted", "Frame", "Limit", "Overflow", "Part", "Window"]
