"""Scores: one file each; most return the log-odds that a class is present, (N, K), higher = present."""

from labelmend_core.detection.scores._confidence import log_odds, probability
from labelmend_core.detection.scores.kernel_machine import kernel_machine
from labelmend_core.detection.scores.labelling import labelling
from labelmend_core.detection.scores.neighbours import neighbours
from labelmend_core.detection.scores.other_labels import expected_others, other_labels
from labelmend_core.detection.scores.out_of_sample import out_of_sample
from labelmend_core.detection.scores.training_dynamics import training_dynamics

__all__ = [
    "expected_others",
    "kernel_machine",
    "labelling",
    "log_odds",
    "neighbours",
    "other_labels",
    "out_of_sample",
    "probability",
    "training_dynamics",
]
