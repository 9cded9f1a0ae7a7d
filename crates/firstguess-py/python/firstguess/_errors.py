"""What can go wrong."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model failed while it was measured; the message names the module."""


class FindingsError(AssertionError):
    """A report has findings at or above the severity that was asked for."""
