"""A workspace is there whole or not at all, and holds what was imported."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.ledger import Policy
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import DATABASE, SETTINGS, Workspace

CLASSES = ["cat", "dog"]
Contents = Callable[[Path], dict[str, bytes | None]]
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def dataset(prefix: str, labels: list[list[int]]) -> AnnotatedDataset:
    names = [f"{prefix}{i}" for i in range(len(labels))]
    return AnnotatedDataset(names, [f"{name}.jpg" for name in names], CLASSES, LabelMatrix.from_dense(labels))


TRAIN = dataset("train", [[1, 0], [0, -1], [0, 0]])
VALIDATION = dataset("validation", [[1, 1]])
NOTHING = AnnotatedDataset([], [], CLASSES, LabelMatrix.empty((0, 2)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The annotation file that the datasets are said to come from."""
    path = tmp_path / "import" / "labels.txt"
    path.parent.mkdir()
    path.write_bytes("train0.jpg,0\r\nträin1.jpg,\n".encode())
    return path


@pytest.fixture
def create(source: Path) -> Iterator[Callable[..., Workspace]]:
    """Make workspaces of the small dataset, and close them."""
    made: list[Workspace] = []

    def make(folder: Path, **changes: Any) -> Workspace:
        arguments: dict[str, Any] = {
            "dataset": TRAIN,
            "validation": VALIDATION,
            "format_name": "list",
            "image_folder": source.parent,
            "source": source,
        }
        made.append(Workspace.create(folder, **(arguments | changes)))
        return made[-1]

    yield make
    for workspace in made:
        workspace.close()


@pytest.fixture
def reopen() -> Iterator[Callable[[Path], Workspace]]:
    opened: list[Workspace] = []

    def open_(folder: Path) -> Workspace:
        opened.append(Workspace.open(folder))
        return opened[-1]

    yield open_
    for workspace in opened:
        workspace.close()


def lists(split: AnnotatedDataset) -> tuple[list[str], list[str], list[str], list[list[int]]]:
    return list(split.image_ids), list(split.paths), list(split.class_names), split.given_labels.dense().tolist()


def test_what_was_imported_is_there_when_it_is_opened_again(
    tmp_path: Path, source: Path, create: Callable[..., Workspace], reopen: Callable[[Path], Workspace]
) -> None:
    classes = source.with_name("classes.txt")
    classes.write_text("cat\ndog\n")
    made = create(tmp_path / "new" / "w", classes=classes)
    made.close()
    shutil.rmtree(source.parent)  # nothing depends on it any more
    workspace = reopen(tmp_path / "new" / "w")
    assert workspace.settings == made.settings
    assert lists(workspace.dataset) == lists(TRAIN)
    assert workspace.validation is not None
    assert lists(workspace.validation) == lists(VALIDATION)
    assert workspace.source.read_bytes() == "train0.jpg,0\r\nträin1.jpg,\n".encode()
    assert (workspace.folder / "source" / "classes" / "classes.txt").read_text() == "cat\ndog\n"
    assert workspace.image_folder == source.parent.resolve()


def test_without_validation_and_class_file_there_are_none(tmp_path: Path, create: Callable[..., Workspace]) -> None:
    workspace = create(tmp_path / "w", validation=None)
    assert workspace.validation is None
    assert not list((workspace.folder / "source" / "classes").iterdir())


def test_image_paths_count_validation_after_training(
    tmp_path: Path, source: Path, create: Callable[..., Workspace]
) -> None:
    workspace = create(tmp_path / "w")
    names = [workspace.image_path(image).name for image in range(4)]
    assert names == ["train0.jpg", "train1.jpg", "train2.jpg", "validation0.jpg"]
    assert workspace.image_path(0).parent == source.parent.resolve()
    for outside in (-1, 4):
        with pytest.raises(InputError, match=f"image index of this workspace, got {outside}"):
            workspace.image_path(outside)


def test_corrected_labels_are_the_given_ones_with_the_decisions_of_the_ledger(
    tmp_path: Path, create: Callable[..., Workspace], reopen: Callable[[Path], Workspace]
) -> None:
    workspace = create(tmp_path / "w")
    says = [(2, 1, Verdict.PRESENT, "ann"), (0, 0, Verdict.ABSENT, "ann"), (0, 0, Verdict.PRESENT, "ben")]
    decisions = [Decision("tab", seq, *cell, NOON) for seq, cell in enumerate(says, start=1)]
    workspace.ledger.append(decisions)
    later = reopen(tmp_path / "w")
    assert later.corrected_labels().dense().tolist() == [[1, 0], [0, -1], [0, 1]]
    assert later.corrected_labels(Policy.UNANIMOUS).dense().tolist() == [[1, 0], [0, -1], [0, 1]]
    assert later.dataset.given_labels == TRAIN.given_labels


def test_the_folder_of_a_run_is_that_of_a_run_that_is_known(tmp_path: Path, create: Callable[..., Workspace]) -> None:
    workspace = create(tmp_path / "w")
    run_id = workspace.runs.start(mode="probe", loss="bce", labels="given", n_decisions=0, settings={})
    assert workspace.run_folder(run_id) == tmp_path / "w" / "runs" / run_id
    with pytest.raises(InputError, match="Expected one of the runs"):
        workspace.run_folder("../../elsewhere")


@pytest.mark.parametrize("there", [False, True], ids=["new folder", "empty folder"])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        pytest.param({"source": Path("missing.txt")}, "Expected to be able to read .*missing.txt", id="no source"),
        pytest.param({"classes": Path("missing.txt")}, "Expected to be able to read .*missing.txt", id="no class file"),
        pytest.param({"validation": TRAIN}, "no image in both training and validation", id="image in both splits"),
        pytest.param(
            {"validation": replace(VALIDATION, class_names=["dog", "cat"])}, "in the same order", id="other classes"
        ),
        pytest.param({"dataset": NOTHING, "validation": None}, "at least one image", id="nothing"),
    ],
)
def test_what_fails_leaves_no_trace(
    tmp_path: Path,
    create: Callable[..., Workspace],
    wrong: dict[str, Any],
    sentence: str,
    there: bool,
    contents: Contents,
) -> None:
    if there:
        (tmp_path / "w").mkdir()
    before = contents(tmp_path)
    with pytest.raises(InputError, match=sentence):
        create(tmp_path / "w", **wrong)
    assert contents(tmp_path) == before


def test_a_full_disk_leaves_no_trace_of_a_file_or_a_folder_of_annotations(
    tmp_path: Path, source: Path, create: Callable[..., Workspace], contents: Contents
) -> None:
    source.write_bytes(bytes(300_000))
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for annotations in (source, source.parent):
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            with pytest.raises(WorkspaceError, match=r"Expected room to write .*/w, but the disk is full"):
                create(tmp_path / "w", source=annotations)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert contents(tmp_path) == before


@pytest.mark.parametrize("room", [20_000, 60_000, 150_000, 400_000])
def test_a_disk_that_is_really_full_leaves_no_trace(
    small_disk: Path, leave_room: Callable[[int], Path], create: Callable[..., Workspace], room: int
) -> None:
    names = [f"{i:05}" for i in range(10_000)]
    large = AnnotatedDataset(names, names, CLASSES, LabelMatrix.empty((len(names), 2)))
    leave_room(room)
    with pytest.raises(WorkspaceError, match="but the disk is full; nothing was changed there"):
        create(small_disk / "w", dataset=large)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("what", ["a workspace", "something else"])
def test_a_folder_that_holds_something_is_refused_and_left_alone(
    tmp_path: Path, create: Callable[..., Workspace], what: str, contents: Contents
) -> None:
    if what == "a workspace":
        create(tmp_path / "w").close()
    else:
        (tmp_path / "w").mkdir()
        (tmp_path / "w" / ".hidden").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(WorkspaceError, match=f"to be empty or not there, but it holds {what}"):
        create(tmp_path / "w")
    assert contents(tmp_path) == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, create: Callable[..., Workspace]) -> None:
    (tmp_path / "w").write_text("mine")
    for folder, sentence in [(tmp_path / "w", "it holds something else"), (tmp_path / "w" / "x", "to be a folder")]:
        with pytest.raises(WorkspaceError, match=sentence):
            create(folder)
    assert (tmp_path / "w").read_text() == "mine"


def test_the_current_folder_can_become_the_workspace(
    tmp_path: Path,
    create: Callable[..., Workspace],
    reopen: Callable[[Path], Workspace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    create(Path())
    assert Path.cwd() == tmp_path / "here"
    assert lists(reopen(tmp_path / "here").dataset) == lists(TRAIN)
    assert sorted(path.name for path in Path.cwd().iterdir() if not path.name.startswith(DATABASE)) == [
        "exports",
        SETTINGS,
        "runs",
        "source",
        "thumbnails",
    ]


def test_a_workspace_can_be_made_where_a_disk_is_mounted(
    small_disk: Path, create: Callable[..., Workspace], reopen: Callable[[Path], Workspace]
) -> None:
    create(small_disk).close()
    workspace = reopen(small_disk)
    assert lists(workspace.dataset) == lists(TRAIN)
    workspace.close()


def test_permissions_follow_the_umask(tmp_path: Path, create: Callable[..., Workspace]) -> None:
    before = os.umask(0o027)
    try:
        create(tmp_path / "w")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "w", tmp_path / "w" / SETTINGS)} == {0o750, 0o640}


def test_a_folder_of_annotations_is_kept_without_the_images_among_them(
    tmp_path: Path, source: Path, create: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    (source.parent / "more").mkdir()
    for name in ("train0.jpg", "validation0.jpg", "unlisted.jpg", "more/train0.jpg", "more/a.xml"):
        (source.parent / name).write_text(name)
    source.parent.chmod(0o555)
    monkeypatch.chdir(source.parent)
    workspace = create(tmp_path / "w", source=Path())
    assert workspace.source.name == "import"
    assert sorted(str(path.relative_to(workspace.source)) for path in workspace.source.rglob("*.*")) == [
        "labels.txt",
        "more/a.xml",
        "more/train0.jpg",
        "unlisted.jpg",
    ]
    assert workspace.source.stat().st_mode & 0o200, "a copy that cannot be written to cannot be removed either"
    source.parent.chmod(0o755)


def test_the_workspace_may_lie_in_the_folder_of_annotations(source: Path, create: Callable[..., Workspace]) -> None:
    workspace = create(source.parent / ".labelmend", source=source.parent)
    assert [path.name for path in workspace.source.rglob("*")] == ["labels.txt"]


def test_a_folder_in_which_no_workspace_can_be_made_is_a_sentence(
    open_folder: Path, tmp_path: Path, source: Path, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    annotations = Path(shutil.copy(source, open_folder))
    open_folder.chmod(0o555)
    sentence = r"Expected to be able to write .*/w, but it is read-only; nothing was changed"
    with without_root(), pytest.raises(WorkspaceError, match=sentence):
        Workspace.create(open_folder / "w", TRAIN, format_name="list", image_folder=open_folder, source=annotations)
    open_folder.chmod(0o755)
    assert list(open_folder.iterdir()) == [annotations]


@pytest.mark.shared
def test_the_lists_of_coco_come_back_as_they_were(
    shared_dir: Path, tmp_path: Path, create: Callable[..., Workspace], reopen: Callable[[Path], Workspace]
) -> None:
    source = shared_dir / "data" / "lists" / "coco_train_full.txt"
    lines = [line.partition(",") for line in source.read_text().splitlines()]
    names = [name for name, _, _ in lines]
    present = [(image, int(index)) for image, (_, _, indices) in enumerate(lines) for index in indices.split()]
    rows, columns = np.array(present).T
    labels = LabelMatrix.from_cells(rows, columns, np.ones(len(rows)), (len(names), 80))
    coco = AnnotatedDataset(names, names, [f"class {k}" for k in range(80)], labels)
    create(tmp_path / "w", dataset=coco, source=source, validation=None).close()
    found = reopen(tmp_path / "w").dataset
    assert found.given_labels == labels
    assert (list(found.image_ids), list(found.paths)) == (names, names)
