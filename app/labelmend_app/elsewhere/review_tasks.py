"""The review in Label Studio: suggestions as tasks with predictions, and the interface to import them into."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.types import Kind, Suggestion
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import LOCAL_FILES

TASKS_NAME, INTERFACE_NAME = "labelmend_review_tasks.json", "labelmend_review_interface.xml"
# In the data of a task, for `labelmend pull`: what was asked of which image, whatever becomes of its address.
MARK, IMAGE, ASKED, BEFORE, RUN = "labelmend", "image", "asked", "labels", "run"
_CHOICE, _IMAGE = "choice", "image"


def write_review_tasks(workspace: Workspace, folder: Path, n_labels: int) -> tuple[list[Path], int]:
    """Write the likeliest open suggestions as tasks for Label Studio, and return the paths and the number of tasks.

    A task is an image: its prediction holds the labels as they are now with those that are suggested changed, its
    `data` says in words what is suggested, and its score is the highest error probability, so that Label Studio can
    sort by it. `labelmend pull` brings what was decided there into the ledger, and the format `label-studio` reads
    what Label Studio exports as annotations.

    Args:
        workspace: read, not changed.
        folder: where the tasks and the labelling interface go.
        n_labels: at most so many suggestions, the likeliest of both kinds.

    Raises:
        InputError: there are no suggestions yet, or none is open.
    """
    of_image = open_by_image(workspace, n_labels)
    labels = workspace.corrected_labels()
    tasks = [_task(workspace, image, some, labels.positives(image).tolist()) for image, some in of_image.items()]
    text = "[\n " + ",\n ".join(json.dumps(task, ensure_ascii=False) for task in tasks) + "\n]\n"
    paths = [folder / TASKS_NAME, folder / INTERFACE_NAME]
    with replacing(paths[0]) as file, replacing(paths[1]) as interface:
        file.write_text(text, encoding="utf-8", errors="replace")
        interface.write_text(_interface(workspace.dataset.class_names), encoding="utf-8", errors="replace")
    return paths, len(tasks)


def open_by_image(workspace: Workspace, n_labels: int) -> dict[int, list[Suggestion]]:
    """Return the `n_labels` likeliest open suggestions of both kinds by image: what tasks are written of.

    Raises:
        InputError: there are no suggestions yet, or none is open.
    """
    run_id = workspace.queue.latest_run()
    if run_id is None:
        raise InputError("Expected suggestions to write as tasks, found none; run 'labelmend suggest' first.")
    both = [one for kind in Kind for one in workspace.queue.open(run_id, kind=kind, limit=n_labels)]
    both.sort(key=lambda one: -one.error_probability)
    of_image: dict[int, list[Suggestion]] = {}
    for one in both[:n_labels]:
        of_image.setdefault(one.image, []).append(one)
    if not of_image:
        raise InputError("Expected open suggestions to write as tasks, but all are answered; run 'labelmend retrain'.")
    return of_image


def _task(workspace: Workspace, image: int, suggestions: Sequence[Suggestion], present: Sequence[int]) -> object:
    names = workspace.dataset.class_names
    missing = {one.class_index for one in suggestions if one.kind is Kind.MISSING}
    spurious = {one.class_index for one in suggestions if one.kind is Kind.SPURIOUS}
    choices = [names[k] for k in sorted(({*present} | missing) - spurious)]
    asked = [f"{one.kind.value}: {names[one.class_index]} ({one.error_probability:.0%})" for one in suggestions]
    result = {"from_name": _CHOICE, "to_name": _IMAGE, "type": "choices", "value": {"choices": choices}}
    return {
        "data": {
            "image": f"{LOCAL_FILES}?d={quote(workspace.dataset.paths[image])}",
            "suggested": "; ".join(asked),
            MARK: {
                IMAGE: workspace.dataset.image_ids[image],
                ASKED: [names[one.class_index] for one in suggestions],
                BEFORE: [names[k] for k in present],
                RUN: suggestions[0].run_id,
            },
        },
        "predictions": [
            {
                "model_version": suggestions[0].run_id,
                "score": round(max(one.error_probability for one in suggestions), 4),
                "result": [result] if choices else [],
            }
        ],
    }


def _interface(class_names: Sequence[str]) -> str:
    """Return the labelling interface: the image, what is suggested, and every class as a choice."""
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in class_names)
    return (
        f'<View>\n  <Image name="{_IMAGE}" value="$image"/>\n  <Text name="suggested" value="$suggested"/>\n'
        f'  <Choices name="{_CHOICE}" toName="{_IMAGE}" choice="multiple">\n{choices}  </Choices>\n</View>\n'
    )
