"""Which images are not there: links count, names that lead out do not."""

import pytest

from labelmend_core.errors import AnnotationError, ImageError
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_datasets.images import find_missing_images


def dataset(*paths: str) -> AnnotatedDataset:
    return AnnotatedDataset(paths, paths, ["cat"], LabelMatrix.empty((len(paths), 1)))


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "images"
    for path in ("a.jpg", "train/b.jpg", "train/deep/c.jpg"):
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        (images / path).touch()
    return images


def test_names_what_is_missing_in_order(folder):
    paths = ["z.jpg", "a.jpg", "train/b.jpg", "b.jpg", "train/deep/c.jpg", "val/a.jpg", "a.jpg/x.jpg", "train"]

    assert find_missing_images(dataset(*paths), folder) == ["z.jpg", "b.jpg", "val/a.jpg", "a.jpg/x.jpg", "train"]


def test_links_count_as_what_they_lead_to(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.jpg").touch()
    (folder / "link.jpg").symlink_to(tmp_path / "elsewhere" / "d.jpg")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")

    assert find_missing_images(dataset("link.jpg", "linked/d.jpg", "broken.jpg"), folder) == ["broken.jpg"]


@pytest.mark.parametrize("path", ["../a.jpg", "train/../../a.jpg", "/etc/passwd", ".."])
def test_a_path_that_leads_out_is_refused(path, folder):
    with pytest.raises(AnnotationError, match="escapes it"):
        find_missing_images(dataset("a.jpg", path), folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere, found none; is the path of --images right\?"):
        find_missing_images(dataset("a.jpg"), tmp_path / "nowhere")
