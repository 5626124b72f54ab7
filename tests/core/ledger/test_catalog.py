"""What the annotations said comes back as it was, both splits, whatever the names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from labelmend_core.errors import InputError
from labelmend_core.ledger import TRAIN, VALIDATION, Catalog, open_engine
from labelmend_core.ledger import catalog as catalog_module
from labelmend_core.types import AnnotatedDataset, LabelMatrix


def same(found: AnnotatedDataset | None, expected: AnnotatedDataset) -> bool:
    assert found is not None
    as_lists = [(list(each.image_ids), list(each.paths), list(each.class_names)) for each in (found, expected)]
    return as_lists[0] == as_lists[1] and found.given_labels == expected.given_labels


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """The catalog of a database that holds nothing yet."""
    engine = open_engine(tmp_path / "new.db")
    yield Catalog(engine)
    engine.dispose()


def test_both_splits_come_back(engine: Engine, train: AnnotatedDataset, validation: AnnotatedDataset) -> None:
    catalog = Catalog(engine)
    assert same(catalog.dataset(), train)
    assert same(catalog.dataset(TRAIN), train)
    assert same(catalog.dataset(VALIDATION), validation)


def test_without_validation_there_is_none(catalog: Catalog, train: AnnotatedDataset) -> None:
    assert catalog.dataset() is None
    catalog.write(train)
    assert catalog.dataset(VALIDATION) is None


@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_no_image_or_cell_is_lost_between_blocks(
    catalog: Catalog,
    train: AnnotatedDataset,
    validation: AnnotatedDataset,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_module, "_BLOCK", block)
    catalog.write(train, validation)
    assert same(catalog.dataset(TRAIN), train)
    assert same(catalog.dataset(VALIDATION), validation)


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)  # each makes a database
@given(data=st.data())
def test_any_dataset_comes_back(data: st.DataObject) -> None:
    image_ids = data.draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    paths = data.draw(st.lists(NAMES, min_size=len(image_ids), max_size=len(image_ids)))
    class_names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    row = st.lists(st.sampled_from([-1, 0, 1]), min_size=len(class_names), max_size=len(class_names))
    labels = data.draw(st.lists(row, min_size=len(image_ids), max_size=len(image_ids)))
    dataset = AnnotatedDataset(image_ids, paths, class_names, LabelMatrix.from_dense(labels))
    engine = open_engine(Path(":memory:"))
    Catalog(engine).write(dataset)
    assert same(Catalog(engine).dataset(), dataset)
    engine.dispose()


@pytest.mark.parametrize(
    ("class_names", "got"),
    [
        pytest.param(["cat", "bus", "dog"], "got bus instead of dog as class 1", id="another order"),
        pytest.param(["cat", "dog"], r"got \(none\) instead of bus as class 2", id="one less"),
        pytest.param(["cat", "dog", "bus", "car"], r"got car instead of \(none\) as class 3", id="one more"),
    ],
)
def test_splits_of_different_classes_are_refused_and_nothing_is_stored(
    catalog: Catalog, train: AnnotatedDataset, class_names: list[str], got: str
) -> None:
    validation = AnnotatedDataset(["v"], ["v"], class_names, LabelMatrix.empty((1, len(class_names))))
    with pytest.raises(InputError, match=f"classes of the training file in the same order, {got}; give both"):
        catalog.write(train, validation)
    assert catalog.dataset() is None


def test_an_image_in_both_splits_is_refused_and_nothing_is_stored(
    catalog: Catalog, train: AnnotatedDataset, validation: AnnotatedDataset
) -> None:
    with pytest.raises(InputError, match=r"got 1, the first train2\.jpg; a validation image must not be trained on"):
        catalog.write(train, replace(validation, image_ids=["new.jpg", "train2.jpg"]))
    assert catalog.dataset() is None


@pytest.mark.parametrize(("n", "k"), [(0, 2), (2, 0)])
def test_a_dataset_of_nothing_is_refused(catalog: Catalog, n: int, k: int) -> None:
    names = ["a", "b"]
    nothing = AnnotatedDataset(names[:n], names[:n], names[:k], LabelMatrix.empty((n, k)))
    with pytest.raises(InputError, match=f"at least one image and one class, got {n} images and {k} classes"):
        catalog.write(nothing)
    assert catalog.dataset() is None


def test_a_second_problem_of_an_image_takes_the_place_of_the_first(engine: Engine) -> None:
    catalog = Catalog(engine)
    catalog.record_problems({})
    assert catalog.problems() == {}
    catalog.record_problems({5: "truncated", 0: "missing"})
    catalog.record_problems({5: "not an image"})
    assert Catalog(engine).problems() == {0: "missing", 5: "not an image"}
