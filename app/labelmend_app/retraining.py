"""Training again on what was decided, in seconds, and suggesting anew: a probe with the settings of the run before."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labelmend_app.effect import Effect, keep_effect, what_remains_by
from labelmend_app.run_options import DEFAULTS, run_settings
from labelmend_core.errors import InputError
from labelmend_core.ledger import RunRecord, Status
from labelmend_core.run_folder import RunFolder
from labelmend_core.workspace import Workspace

if TYPE_CHECKING:
    from labelmend_core.training import RunSettings

LEAST_PROBABILITY = 0.5  # of a suggestion, as `labelmend suggest` has it
# They take every unlabelled cell for absent. A review mends the clearest cells first, so what is still missing is
# missing where it is hard to see, and these losses would learn just that; Hill does not.
_HARMED = ("bce", "focal", "asl", "asl_single_label")
_OF_THE_HEAD = ("head", "head_settings", "companions", "folds", "batch_size", "schedule")


def retrain(
    workspace: Workspace, run_id: str, show: Callable[[str, int, int, float | None], None] | None = None
) -> tuple[RunRecord, Effect | None]:
    """Train a probe on the labels as corrected so far, suggest, and return its record and what that brought.

    The record says "stopped" where somebody asked for that; then nothing is suggested, and there is no effect.

    Args:
        workspace: that the run belongs to.
        run_id: whose settings to take; one that was reviewed.
        show: progress.
    """
    from labelmend_app.training import train_in
    from labelmend_core.detection import suggest

    before = workspace.runs.get(run_id)
    settings, left_before = retrain_settings(workspace, before), what_remains_by(workspace, run_id)
    record = train_in(workspace, settings, show=show)
    if record.status is not Status.DONE:
        return record, None
    found = suggest(workspace, record.run_id, min_probability=_least_probability(workspace, run_id))
    return record, keep_effect(workspace, before, record, left_before, len(found))


def retrain_settings(workspace: Workspace, record: RunRecord) -> "RunSettings":
    """Return the settings of a probe that goes on from a run.

    A probe is repeated. Of a run that trained a whole network the features are taken, and a new head is put on them.
    A loss that takes unlabelled cells for absent gives way to Hill.

    Raises:
        InputError: the run left no network or no settings.
    """
    before = dict(record.settings)
    if "backbone" not in before:
        raise InputError(f"Expected the settings of run {record.run_id}, found none; train with 'labelmend train'.")
    values: dict[str, Any] = {**before, "mode": "probe"}
    if before["mode"] != "probe":
        model = RunFolder(workspace.run_folder(record.run_id)).model
        if not model.is_file():
            raise InputError(f"Expected the network of run {record.run_id} at {model}, but it is gone; train again.")
        backbone = {**before["backbone"], "weights": str(model)}
        defaults = {**{"head": "linear", "head_settings": {}}, **DEFAULTS["probe"]}
        values |= {"backbone": backbone, "local_global": False, "augment": {}}
        values |= {name: defaults[name] for name in _OF_THE_HEAD}
    loss = {"loss": "hill"} if before["loss"] in _HARMED else {}
    return run_settings(values, loss, f"run {record.run_id}")


def _least_probability(workspace: Workspace, run_id: str) -> float:
    """Return how doubtful the suggestions may be: as those of the run before."""
    ranked = workspace.queue.ranking(run_id).probability
    return min(LEAST_PROBABILITY, float(ranked.min())) if len(ranked) else LEAST_PROBABILITY
