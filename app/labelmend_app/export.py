"""Taking the corrected annotations home: what changes, and the files in the format that they came in."""

import io
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

from labelmend_core.errors import InputError
from labelmend_core.files import replacing
from labelmend_core.ledger import Policy, decided_by, replay
from labelmend_core.types import ABSENT, PRESENT, UNOBSERVED
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS, AnnotationFormat

CHANGES_NAME = "labelmend_changes.csv"
COLUMNS = ("image", "class", "before", "after", "reviewer", "decided_at")
_WORD = {PRESENT: "present", ABSENT: "absent", UNOBSERVED: "unobserved"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def changes(workspace: Workspace, policy: Policy = Policy.LATEST) -> pd.DataFrame:
    """Return every cell that the decisions change, in the order of the source file.

    Args:
        workspace: read, not changed.
        policy: whose word counts where several reviewers answered.

    Returns:
        A frame with columns image, class, before and after (present, absent or unobserved), reviewer and decided_at
        (UTC): whose word the policy took.
    """
    dataset, events = workspace.dataset, workspace.ledger.decisions()
    corrected = replay(dataset.given_labels, events, policy)
    images, classes = dataset.given_labels.changed_cells(corrected)
    before, after = dataset.given_labels.values(images, classes), corrected.values(images, classes)
    decided = decided_by(events, policy)
    rows = []
    for image, k, was, is_now in zip(images.tolist(), classes.tolist(), before.tolist(), after.tolist(), strict=True):
        decision = decided[image, k]
        names = (dataset.image_ids[image], dataset.class_names[k])
        rows.append((*names, _WORD[was], _WORD[is_now], decision.reviewer, decision.decided_at))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"decided_at": "datetime64[us, UTC]"})


def export(workspace: Workspace, destination: Path, policy: Policy = Policy.LATEST) -> list[Path]:
    """Write the corrected annotations and the list of changes into a folder, and return the paths written.

    The annotations come first, in the format and under the name that they were imported; then what the format adds
    beside them; last `labelmend_changes.csv`, in which a text that a spreadsheet would take for a formula begins
    with an apostrophe. When this fails, files of an earlier export stay as they were.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.
        InputError: the folder is that of the source annotations.
    """
    if workspace.settings.source == CHANGES_NAME:
        raise InputError(f"Expected annotations under another name than {CHANGES_NAME}; rename and import them again.")
    frame = changes(workspace, policy)
    table = destination / CHANGES_NAME
    with replacing(table) as temporary:  # takes its place only after the annotations have taken theirs
        spreadsheet_safe(frame).to_csv(
            temporary, index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%SZ", encoding="utf-8"
        )
        annotations = destination / workspace.settings.source
        corrected = workspace.corrected_labels(policy)
        written = _format(workspace).write(workspace.source, annotations, workspace.dataset, corrected)
    return [*written, table]


def n_negatives_lost(workspace: Workspace, changed: pd.DataFrame) -> int:
    """Return how many verified negatives the exported annotations cannot hold, so that only the list of changes does.

    Args:
        workspace: read, not changed.
        changed: of `changes`.
    """
    if _format(workspace).holds_absent(workspace.source):
        return 0
    return int((changed["after"] == _WORD[ABSENT]).sum())


def is_one_file(workspace: Workspace) -> bool:
    """Return whether the annotations are a single file, beside the list of changes."""
    return not (_format(workspace).is_folder or _format(workspace).boxes)


def exported_annotations(workspace: Workspace, policy: Policy = Policy.LATEST) -> bytes:
    """Return the corrected annotations for a download: the file, or a zip with the list of changes."""
    with tempfile.TemporaryDirectory() as folder:
        written = export(workspace, Path(folder), policy)
        return written[0].read_bytes() if is_one_file(workspace) else _zipped(Path(folder))


def exported_changes(workspace: Workspace, policy: Policy = Policy.LATEST) -> bytes:
    """Return `labelmend_changes.csv` for a download."""
    with tempfile.TemporaryDirectory() as folder:
        return export(workspace, Path(folder), policy)[-1].read_bytes()


def _format(workspace: Workspace) -> AnnotationFormat:
    return FORMATS[workspace.settings.format]


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which a text that a spreadsheet would take for a formula begins with an apostrophe."""

    def escaped(text: str) -> str:
        return f"'{text}" if text.startswith(_FORMULA) else text

    texts = [name for name in ("image", "class", "reviewer") if name in frame]
    return frame.assign(**{name: frame[name].map(escaped) for name in texts})


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()
