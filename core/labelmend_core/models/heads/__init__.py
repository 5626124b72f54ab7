"""Heads: from a backbone's features to one logit a class."""

from labelmend_core.models.heads.linear import LinearHead

__all__ = ["LinearHead"]
