"""Hyperparameters that several losses share, beside what each one is."""

from labelmend_core.hyperparameter import Hyperparameter, Value

__all__ = ["FLOOR", "UNOBSERVED_WEIGHT", "Hyperparameter", "Value"]

# Shared by the losses that read an unobserved cell as a negative: raw data holds no verified negatives, but
# every rejected suggestion adds one, and then the two need not count the same.
UNOBSERVED_WEIGHT = Hyperparameter(
    "unobserved_weight",
    1.0,
    0.0,
    1.0,
    "weight of an unobserved cell taken as a negative; 1 trusts it like a verified negative, 0 leaves it out",
)

# The sources of Cole et al. 2021 and of those who built on it have 1e-5 here.
FLOOR = Hyperparameter("floor", 0.0, 0.0, 1e-3, "added to p in the logarithm; the authors' code has 1e-5, which mutes")
