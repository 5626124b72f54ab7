"""The corrected dataset for other trainers: as a torch dataset, and as a folder that torchvision and timm read."""

import csv
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from PIL import Image
from timm.data import create_dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from labelmend_core.errors import ImageError, InputError
from labelmend_core.losses import build_loss
from labelmend_core.types import AnnotatedDataset, Decision, LabelMatrix, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import CorrectedImages
from labelmend_datasets.training_folder import TABLE, write_training_folder

PATHS = ("a.png", "sub/b.png", "c.png")
MULTI = [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
SINGLE = [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
HOSTILE = '<img src=x onerror=alert(1)>, "a"'


@pytest.fixture
def make(tmp_path: Path):
    """Return a call that makes a workspace of three coloured images, in which somebody said no to (1, 2)."""
    opened = []

    def of(labels: list[list[int]], class_names: tuple[str, ...] = ("cat", "dog", "bird"), **rest) -> Workspace:
        images = tmp_path / "images"
        for i, path in enumerate(PATHS):
            (images / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 12), (100 * i, 50, 50)).save(images / path)
        (tmp_path / "labels.txt").write_text("as it came")
        given = LabelMatrix.from_dense(labels)
        places = {"format_name": "list", "image_folder": images, "source": tmp_path / "labels.txt"}
        dataset = AnnotatedDataset(PATHS, PATHS, class_names, given)
        workspace = Workspace.create(tmp_path / "work", dataset, **places, **rest)
        opened.append(workspace)
        workspace.ledger.append([Decision("c", 1, 1, 2, Verdict.ABSENT, "ann", datetime.now(UTC))])
        return workspace

    yield of
    for workspace in opened:
        with closing(workspace):
            pass


def _table(folder: Path) -> list[list[str]]:
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_dataset_has_verified_negatives_as_minus_one(make) -> None:
    data = CorrectedImages(make(MULTI))
    image, target = data[1]
    assert (image.size, image.getpixel((0, 0))) == ((16, 12), (100, 50, 50))
    assert target.tolist() == [0, 1, -1]
    assert data.class_names == ("cat", "dog", "bird")


def test_a_loader_and_every_loss_take_it(make) -> None:
    to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    loader = torch.utils.data.DataLoader(CorrectedImages(make(MULTI), to_tensor, indexed=True), batch_size=3)
    images, targets, rows = next(iter(loader))
    assert images.shape == (3, 3, 12, 16)
    assert rows.tolist() == [0, 1, 2]
    assert torch.isfinite(build_loss("hill")(torch.zeros(3, 3), targets))


def test_known_bad_images_are_left_out_and_new_ones_are_named(make) -> None:
    workspace = make(MULTI)
    workspace.catalog.record_problems({0: "a text"})
    data = CorrectedImages(workspace, indexed=True)
    assert [data[i][2] for i in range(len(data))] == [1, 2]
    workspace.image_path(1).write_text("no image")
    with pytest.raises(ImageError, match=r"b\.png"):
        data[0]


def test_validation_images_have_their_own_labels(make) -> None:
    with pytest.raises(InputError, match="--validation"):
        CorrectedImages(make(MULTI), validation=True)


def test_several_labels_an_image_lie_in_a_table_beside_the_images(make, tmp_path) -> None:
    assert not write_training_folder(make(MULTI, ("cat", HOSTILE, "bird")), tmp_path / "out")
    train = tmp_path / "out" / "train"
    assert _table(train) == [
        ["file_name", "cat", HOSTILE, "bird"],
        ["images/a.png", "1", "0", "1"],
        ["images/sub/b.png", "0", "1", "-1"],
        ["images/c.png", "0", "0", "0"],
    ]
    for name, *_ in _table(train)[1:]:
        with Image.open(train / name) as image:
            assert image.size == (16, 12)


def test_a_name_with_a_carriage_return_is_one_row(make, tmp_path) -> None:
    write_training_folder(make(MULTI, ("cat", "do\rg", "bird")), tmp_path / "out")
    assert [row[2] for row in _table(tmp_path / "out" / "train")] == ["do\rg", "0", "1", "0"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # timm leaves the files open
@pytest.mark.parametrize("reader", ["torchvision", "timm"])
def test_one_label_an_image_becomes_a_folder_a_class(make, tmp_path, reader) -> None:
    assert write_training_folder(make(SINGLE), tmp_path / "out")
    root = tmp_path / "out" / "train"
    data = ImageFolder(root) if reader == "torchvision" else create_dataset("", str(root))
    assert sorted((image.getpixel((0, 0))[0], int(target)) for image, target in data) == [(0, 0), (100, 1), (200, 0)]
    assert _table(tmp_path / "out" / "train")[2] == ["dog/sub/b.png", "0", "1", "-1"]


@pytest.mark.parametrize("name", ["../up", "a/b", "..", TABLE, "x" * 300, "nul\0"])
def test_a_class_that_is_no_name_of_a_folder_leaves_the_images_together(make, tmp_path, name) -> None:
    assert not write_training_folder(make(SINGLE, (name, "dog", "bird")), tmp_path / "out")
    assert (tmp_path / "out" / "train" / "images" / "a.png").exists()


def test_a_folder_that_holds_something_is_left_alone(make, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something"):
        write_training_folder(make(MULTI), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
