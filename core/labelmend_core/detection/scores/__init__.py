"""Scores: one file each; all return the log-odds that a class is present, (N, K), higher = present."""

from labelmend_core.detection.scores.neighbours import neighbours
from labelmend_core.detection.scores.out_of_sample import out_of_sample
from labelmend_core.detection.scores.training_dynamics import training_dynamics

__all__ = ["neighbours", "out_of_sample", "training_dynamics"]
