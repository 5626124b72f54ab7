"""The images of a workspace that somebody trains on or measures on, with their labels as corrected."""

from labelmend_core.errors import InputError
from labelmend_core.ledger import Policy
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace


def corrected_split(
    workspace: Workspace, policy: Policy = Policy.LATEST, *, validation: bool = False
) -> tuple[LabelMatrix, int]:
    """Return the labels of a split, (N, K), and the number that the workspace counts its first image by.

    Args:
        workspace: read, not changed.
        policy: whose word counts where several reviewers answered.
        validation: the validation images, which nobody corrects.

    Raises:
        InputError: there are no validation images.
    """
    if not validation:
        return workspace.corrected_labels(policy), 0
    return split_of(workspace, validation=True).given_labels, len(workspace.dataset.image_ids)


def split_of(workspace: Workspace, *, validation: bool) -> AnnotatedDataset:
    """Return the training images, or the validation images.

    Raises:
        InputError: there are no validation images.
    """
    if not validation:
        return workspace.dataset
    if workspace.validation is None:
        raise InputError("Expected validation images, but none were imported; give 'labelmend import' --validation.")
    return workspace.validation
