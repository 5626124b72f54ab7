"""Every loss by its name."""

from labelmend_core.errors import InputError
from labelmend_core.losses._base import MultiLabelLoss, Reduction
from labelmend_core.losses._hyperparameter import Value
from labelmend_core.losses.aam import AngularMarginLoss
from labelmend_core.losses.asl import AsymmetricLoss
from labelmend_core.losses.asl_single_label import SingleLabelAsymmetricLoss
from labelmend_core.losses.bce import BinaryCrossEntropy
from labelmend_core.losses.csl import ClassAwareSelectiveLoss
from labelmend_core.losses.em_apl import EntropyMaximisationPseudoLabels
from labelmend_core.losses.expected_positives import ExpectedPositives
from labelmend_core.losses.focal import Focal, FocalMargin
from labelmend_core.losses.hill import Hill
from labelmend_core.losses.large_loss import LargeLossCorrection, LargeLossRejection
from labelmend_core.losses.large_loss_permanent import LargeLossPermanentCorrection
from labelmend_core.losses.pu_mlc import PUMLC
from labelmend_core.losses.role import RegularisedOnlineLabelEstimation
from labelmend_core.losses.single_positive import EntropyMaximisation, SmoothedAssumedNegatives, WeakAssumedNegatives
from labelmend_core.losses.splc import SPLC

_ALL: tuple[type[MultiLabelLoss], ...] = (
    AngularMarginLoss,
    AsymmetricLoss,
    BinaryCrossEntropy,
    ClassAwareSelectiveLoss,
    EntropyMaximisation,
    EntropyMaximisationPseudoLabels,
    ExpectedPositives,
    Focal,
    FocalMargin,
    Hill,
    LargeLossCorrection,
    LargeLossPermanentCorrection,
    LargeLossRejection,
    PUMLC,
    RegularisedOnlineLabelEstimation,
    SingleLabelAsymmetricLoss,
    SmoothedAssumedNegatives,
    SPLC,
    WeakAssumedNegatives,
)
LOSSES: dict[str, type[MultiLabelLoss]] = {loss.name: loss for loss in _ALL}


def build_loss(name: str, *, reduction: Reduction = "batch", **hyperparameters: Value) -> MultiLabelLoss:
    """Return the loss of that name, called as `loss(logits, targets, epoch=0)`.

    Args:
        name: A key of `LOSSES`.
        reduction: `"batch"` (sum over classes, mean over images), `"sum"`, `"mean"` or `"none"`.
        hyperparameters: By the papers' names; `LOSSES[name].hyperparameters` lists them with their ranges.

    Raises:
        InputError: An unknown name, hyperparameter or reduction (the message lists those allowed), or a
            value out of its range.

    Example:
        >>> build_loss("splc", tau=0.65)
        SPLC(tau=0.65, change_epoch=1, margin=1.0, gamma=2.0, reduction=batch)
    """
    if name not in LOSSES:
        raise InputError(f"Expected a loss among {', '.join(sorted(LOSSES))}, got {name!r}.")
    return LOSSES[name](reduction=reduction, **hyperparameters)
