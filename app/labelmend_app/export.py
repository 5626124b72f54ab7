"""Taking the corrected annotations home: what changes, and the files, in the format that they came in or as a table."""

import io
import json
import math
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from labelmend_app.safe_csv import TIME, safe_csv
from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.ledger import Policy, decided_by, replay
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS, AnnotationFormat

CHANGES_NAME, CHANGES_JSON_NAME = "labelmend_changes.csv", "labelmend_changes.json"
COLUMNS = ("image", "class", "before", "after", "reviewer", "decided_at", "adjudicated", "score")
_WORD = {PRESENT: "present", ABSENT: "absent", UNOBSERVED: "unobserved"}
_DIGITS = 4  # of a score
_NONE = -1  # id of no suggestion


def changes(workspace: Workspace, policy: Policy = Policy.LATEST) -> pd.DataFrame:
    """Return every cell that the decisions change, in the order of the source file.

    Args:
        workspace: read, not changed.
        policy: whose word counts where several reviewers answered.

    Returns:
        A frame with columns image, class, before and after (present, absent or unobserved), reviewer and decided_at
        (UTC): whose word the policy took; adjudicated: whether it settled what others disagreed on; score: how likely
        the label was an error when it was suggested, in [0, 1], high = suspicious, NaN where it was not suggested.
    """
    dataset, events = workspace.dataset, workspace.ledger.decisions()
    corrected = replay(dataset.given_labels, events, policy)
    images, classes = dataset.given_labels.changed_cells(corrected)
    before, after = dataset.given_labels.values(images, classes), corrected.values(images, classes)
    decided = decided_by(events, policy)
    suggested = {one.suggestion_id for one in decided.values() if one.suggestion_id is not None}
    probability = workspace.queue.error_probabilities(suggested)
    rows = []
    for image, k, was, is_now in zip(images.tolist(), classes.tolist(), before.tolist(), after.tolist(), strict=True):
        decision = decided[image, k]
        names = (dataset.image_ids[image], dataset.class_names[k])
        words = (_WORD[was], _WORD[is_now], decision.reviewer, decision.decided_at, decision.adjudicates)
        rows.append((*names, *words, probability.get(decision.suggestion_id or _NONE, math.nan)))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"decided_at": "datetime64[us, UTC]", "adjudicated": bool, "score": float}).round(
        {"score": _DIGITS}
    )


def writable_formats(workspace: Workspace) -> dict[str, str]:
    """Return of each format that can be written, by name, what it loses, in a sentence; the one that came in first."""
    own = _format(workspace)
    holds = own.holds_absent(workspace.source)
    negatives = "" if holds else f" Verified negatives cannot be held: they are in {CHANGES_NAME} only."
    boxes = " Added labels have no box and go into labelmend_additions.json." if own.boxes else ""
    known = "As it came: nothing that no decision touched changes." + boxes + negatives
    if own.written_as:
        known = f"{own.description} No image is moved or copied."
    spaces = any(name != name.strip() for name in workspace.dataset.class_names)  # CSV could not tell them apart
    lost = "boxes and their places" if own.boxes else "other columns and the order and spelling of the lines"
    table = f"A new table with every label and verified negative; of the source it loses {lost}."
    tables = {name: table for name, one in FORMATS.items() if one.create is not None and not spaces}
    return {own.name: known, **{name: lost for name, lost in tables.items() if name != own.name}}


def exported_name(workspace: Workspace, format_name: str = "") -> str:
    """Return the name of the exported annotations: that of the source, or of a new table after it."""
    source = workspace.settings.source
    if format_name in ("", workspace.settings.format):
        return source
    return f"{Path(source).stem}_{format_name}{FORMATS[format_name].suffix}"


def export(
    workspace: Workspace, destination: Path, policy: Policy = Policy.LATEST, format_name: str = ""
) -> list[Path]:
    """Write the corrected annotations and the list of changes into a folder, and return the paths written.

    The annotations come first, in the format and under the name that they were imported, or as a new table; then what
    the format adds beside them; last the list of changes, as `labelmend_changes.json` and `labelmend_changes.csv`, in
    which a text that a spreadsheet would take for a formula begins with an apostrophe. When this fails, files of an
    earlier export stay as they were.

    Args:
        workspace: read, not changed.
        destination: a folder.
        policy: whose word counts where several reviewers answered.
        format_name: one of `writable_formats`; that of the source when empty.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.
        InputError: the folder is that of the source annotations, or the format cannot be written.
    """
    source = workspace.settings.source
    if source in (CHANGES_NAME, CHANGES_JSON_NAME):
        raise InputError(f"Expected annotations under another name than {source}; rename and import them again.")
    known = writable_formats(workspace)
    if format_name and format_name not in known:
        raise InputError(f"Expected a format among {', '.join(known)} for these annotations, got {format_name!r}")
    frame = changes(workspace, policy)
    table, records = destination / CHANGES_NAME, destination / CHANGES_JSON_NAME
    # They take their places only after the annotations have taken theirs.
    with replacing(table) as temporary, replacing(records) as temporary_records:
        temporary.write_bytes(changes_as_csv(frame))
        temporary_records.write_bytes(changes_as_json(frame))
        annotations = destination / exported_name(workspace, format_name)
        corrected = workspace.corrected_labels(policy)
        if format_name in ("", workspace.settings.format):
            written = _format(workspace).write(workspace.source, annotations, workspace.dataset, corrected)
        else:
            written = _created(workspace, annotations, format_name, corrected)
    return [*written, records, table]


def n_negatives_lost(workspace: Workspace, changed: pd.DataFrame, format_name: str = "") -> int:
    """Return how many verified negatives the exported annotations cannot hold, so that only the list of changes does.

    Args:
        workspace: read, not changed.
        changed: of `changes`.
        format_name: of the export; that of the source when empty.
    """
    new = format_name not in ("", workspace.settings.format)
    if new or _format(workspace).holds_absent(workspace.source):
        return 0
    return int((changed["after"] == _WORD[ABSENT]).sum())


def is_one_file(workspace: Workspace, format_name: str = "") -> bool:
    """Return whether the annotations are a single file, beside the list of changes."""
    written = FORMATS[format_name or workspace.settings.format]
    return not (written.is_folder or written.boxes)


def exported_annotations(workspace: Workspace, policy: Policy = Policy.LATEST, format_name: str = "") -> bytes:
    """Return the corrected annotations for a download: the file, or a zip with the list of changes."""
    with tempfile.TemporaryDirectory() as folder:
        written = export(workspace, Path(folder), policy, format_name)
        return written[0].read_bytes() if is_one_file(workspace, format_name) else _zipped(Path(folder))


def changes_as_csv(frame: pd.DataFrame) -> bytes:
    """Return what `changes` returns as `labelmend_changes.csv`, safe in a spreadsheet."""
    return safe_csv(frame).encode("utf-8")


def changes_as_json(frame: pd.DataFrame) -> bytes:
    """Return what `changes` returns as a JSON list of an object a change, every text as it is."""
    score = frame["score"].astype(object).where(frame["score"].notna(), None)  # JSON has no NaN
    rows = frame.assign(decided_at=frame["decided_at"].dt.strftime(TIME), score=score).to_dict("records")
    return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _created(workspace: Workspace, annotations: Path, format_name: str, corrected: LabelMatrix) -> list[Path]:
    create = FORMATS[format_name].create
    if create is None:
        raise InputError(f"Expected a format that a new file can be written in, got {format_name!r}")
    create(annotations, replace(workspace.dataset, given_labels=corrected))
    return [annotations]


def _format(workspace: Workspace) -> AnnotationFormat:
    return FORMATS[workspace.settings.format]


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()
