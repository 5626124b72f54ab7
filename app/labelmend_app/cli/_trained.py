"""What `evaluate` and `score` look at: a trained network, and images of the workspace or of other annotations."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from labelmend_app.cli._common import opened
from labelmend_app.cli.suggest import newest_run
from labelmend_core.errors import InputError

if TYPE_CHECKING:
    from labelmend_app.evaluation import Images
    from labelmend_core.training.trained import Trained


class Chosen(NamedTuple):
    """A network, the file that it was read from, and images for it."""

    checkpoint: Path
    network: "Trained"
    images: "Images"


def network_and_images(
    workspace: Path,
    *,
    checkpoint: Path | None,
    run: str | None,
    weights: str | None,
    split: Literal["validation", "train"],
    labels: Path | None,
    images: str | None,
    format_name: str,
    classes: Path | None,
) -> Chosen:
    """Return what the options of a command name; without `labels` the images are a split of the workspace.

    Raises:
        InputError: two options name the same thing, one is missing that another needs, or what they name is not there.
    """
    if checkpoint is not None and run is not None:
        raise InputError("Expected --checkpoint or --run, got both")
    if (labels is None) != (images is None):
        raise InputError("Expected --labels and --images together, got one of them")
    if labels is None and classes is not None:
        raise InputError("Expected --classes with --labels: a workspace knows its classes")
    # Torch takes seconds to import: a typo should not wait for it.
    from labelmend_app.evaluation import annotated, split_of
    from labelmend_core.training.trained import network_from_checkpoint

    path = checkpoint if checkpoint is not None else _checkpoint_of(workspace, run)
    network = network_from_checkpoint(path, weights=weights)
    size = network.settings.backbone.image_size
    if labels is not None and images is not None:
        return Chosen(path, network, annotated(labels, images, size, format_name=format_name, classes=classes))
    with opened(workspace) as project:
        return Chosen(path, network, split_of(project, split, size))


def _checkpoint_of(folder: Path, run: str | None) -> Path:
    """Return where the model of a run of the workspace lies, by default of the newest finished one that has one."""
    from labelmend_core.run_folder import RunFolder

    with opened(folder) as project:
        return RunFolder(project.run_folder(run or newest_run(project, with_network=True))).model
