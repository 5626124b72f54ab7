"""`record`: watch any training loop, and say afterwards which labels it had reason to doubt."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from numpy.typing import ArrayLike
from scipy import sparse
from torch import Tensor

from labelmend_core.label_matrix import as_labels
from labelmend_core.training.recording.kept import KeptRun
from labelmend_core.training.recording.recording import Names, Recording
from labelmend_core.types import LabelMatrix
from labelmend_core.workspace import Workspace

Labels: TypeAlias = LabelMatrix | ArrayLike | Tensor | sparse.sparray | sparse.spmatrix


@contextmanager
def record(
    labels: Workspace | Labels,
    *,
    class_names: Sequence[str] | None = None,
    image_ids: Sequence[str] | None = None,
    planted: float = 0.0,
    tau: float = 0.6,
    loss: str = "own",
    seed: int = 0,
) -> Iterator[Recording]:
    """Give a recording that watches the training loop of the block, and suggests labels to look at again.

    Call `batch` with the logits of each training batch and `end_epoch` after each epoch; in Lightning and in Hugging
    Face's Trainer the callbacks of the recording do so. The loop runs in one process.

    A network that trains for long repeats the labels, right or wrong, and then there is nothing to suggest, unless a
    few of them deceived it: give `planted=0.1` and train on `targets`, in which a tenth of the present labels is hidden
    and a few wrong ones are added. That is also what the probabilities are calibrated by; they are too high where the
    network has learned little that holds for other images. Probabilities from networks that have not seen the images,
    where there are some, say more: give them to `find_label_issues`.

    Args:
        labels: (N, K), 1 present, -1 absent, 0 unobserved; dense, sparse or a tensor. Or a workspace: then its labels
            as corrected so far, and in the end its review opens on what was found.
        class_names: length K; class indices where not given; a workspace has its own.
        image_ids: length N; image indices where not given; a workspace has its own.
        planted: share of the present labels, in [0, 0.5], that is hidden in `targets`.
        tau: p in [0, 1] above which an unobserved cell counts as flagged.
        loss: what the run of a workspace calls its loss; the name of one of ours shows its theory with its gradients.
        seed: of what is planted.

    Raises:
        InputError: labels other than 1, 0, -1, names that do not fit them, or a loop that was not recorded to its end.

    Source: Swayamdipta et al. 2020, arXiv 2009.10795 (mean and variance of p over the epochs); planting is our own.

    Example:
        >>> import torch
        >>> labels = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 0]])
        >>> with record(labels, class_names=["cat", "dog"], image_ids=["a", "b", "c", "d"]) as recording:
        ...     for epoch in range(2):
        ...         recording.batch(torch.arange(4), torch.tensor([[4.0, -4], [-4, 4], [4, -4], [3, -4]]))
        ...         recording.end_epoch()
        >>> recording.issues(min_probability=0)[["image", "class", "kind"]].iloc[0].to_list()
        ['d', 'cat', 'missing']
    """
    kept = None
    if isinstance(labels, Workspace):
        workspace, labels = labels, labels.corrected_labels()
        class_names, image_ids = workspace.dataset.class_names, workspace.dataset.image_ids
        kept = KeptRun(workspace, loss, {"mode": "recorded", "planted": planted, "tau": tau, "seed": seed})
    names = Names(class_names, image_ids)
    given = as_labels(labels.cpu().numpy() if isinstance(labels, Tensor) else labels)
    recording = Recording(given, names, planted=planted, tau=tau, seed=seed, kept=kept)
    try:
        yield recording
        recording.close()
    except BaseException as error:
        if kept is not None:
            kept.failed(error)
        raise
