"""Tri-state labels: values, errors and memory; datasets refuse what does not fit together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from labelmend_core.errors import InputError
from labelmend_core.types import AnnotatedDataset, Kind, LabelMatrix, Verdict

dense_labels = hnp.arrays(
    np.int8, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.sampled_from([-1, 0, 1])
)


@st.composite
def labels_and_cells(draw):
    """Dense labels, and cells in them with new values; a cell may come twice."""
    dense = draw(dense_labels)
    n, k = dense.shape
    cells = st.tuples(st.integers(0, n - 1), st.integers(0, k - 1), st.sampled_from([1, 0, -1]))
    return dense, np.array(draw(st.lists(cells, max_size=8)), dtype=int).reshape(-1, 3).T


@given(dense_labels)
def test_dense_labels_come_back(dense):
    labels = LabelMatrix.from_dense(dense)

    assert (labels.dense() == dense).all()
    assert labels.dense().dtype == np.int8
    assert labels.shape == dense.shape
    assert labels.n_observed == np.count_nonzero(dense)


@given(dense_labels, st.randoms())
def test_cells_come_in_row_order_and_make_the_same_matrix_in_any_order(dense, random):
    labels = LabelMatrix.from_dense(dense)
    images, classes, values = labels.cells()
    order = list(range(len(values)))
    random.shuffle(order)

    assert (np.diff(images * dense.shape[1] + classes) > 0).all()
    assert (dense[images, classes] == values).all()
    assert LabelMatrix.from_cells(images[order], classes[order], values[order], dense.shape) == labels


@given(dense_labels)
def test_per_class_and_per_image_views_agree_with_the_dense_array(dense):
    labels = LabelMatrix.from_dense(dense)
    n, k = dense.shape
    images, classes = np.divmod(np.arange(n * k), k)

    assert (labels.positives_per_class() == (dense == 1).sum(axis=0)).all()
    assert (labels.negatives_per_class() == (dense == -1).sum(axis=0)).all()
    assert all((labels.column(index) == dense[:, index]).all() for index in range(k))
    assert all((labels.positives(image) == np.flatnonzero(dense[image] == 1)).all() for image in range(n))
    assert (labels.values(images, classes) == dense.ravel()).all()


@given(labels_and_cells())
def test_replace_writes_cells_in_turn_and_leaves_the_original(drawn):
    dense, (images, classes, values) = drawn
    labels, expected = LabelMatrix.from_dense(dense), dense.copy()
    for image, class_index, value in zip(images, classes, values, strict=True):
        expected[image, class_index] = value

    replaced = labels.replace(images, classes, values)

    assert (replaced.dense() == expected).all()
    assert (labels.dense() == dense).all()
    assert replaced.n_observed == np.count_nonzero(expected)
    changed = labels.changed_cells(replaced)
    assert list(zip(*changed, strict=True)) == list(zip(*np.nonzero(dense != expected), strict=True))


@given(dense_labels, st.data())
def test_select_and_dense_take_images_in_the_given_order(dense, data):
    labels = LabelMatrix.from_dense(dense)
    rows = data.draw(st.lists(st.integers(0, len(dense) - 1), max_size=5))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(dense), max_size=len(dense))))

    assert (labels.select(np.array(rows, dtype=int)).dense() == dense[rows]).all()
    assert (labels.dense(np.array(rows, dtype=int)) == dense[rows]).all()
    assert (labels.select(mask).dense() == dense[mask]).all()
    assert (labels.dense(slice(1, 3)) == dense[1:3]).all()


@given(dense_labels, dense_labels)
def test_equality_is_that_of_the_cells(first, second):
    same = first.shape == second.shape and (first == second).all()

    assert (LabelMatrix.from_dense(first) == LabelMatrix.from_dense(second)) == same
    assert LabelMatrix.from_dense(first) == LabelMatrix.from_dense(first.tolist())


def test_other_things_are_not_equal_and_matrices_are_no_keys():
    labels = LabelMatrix.empty((2, 2))

    assert labels != [[0, 0], [0, 0]]
    with pytest.raises(TypeError, match="unhashable"):
        hash(labels)


def test_a_cell_may_be_named_twice_with_one_value():
    labels = LabelMatrix.from_cells([0, 1, 0], [2, 0, 2], [-1, 1, -1], (2, 3))

    assert labels.dense().tolist() == [[0, 0, -1], [1, 0, 0]]


def test_a_cell_with_two_values_is_refused():
    with pytest.raises(InputError, match="one value for image 1 and class 2, got two different ones"):
        LabelMatrix.from_cells([1, 0, 1], [2, 0, 2], [1, 1, -1], (2, 3))


@pytest.mark.parametrize(
    ("images", "classes", "words"),
    [
        ([2], [0], r"image indices in 0…1, got 2…2"),
        ([0, -1], [0, 0], r"image indices in 0…1, got -1…0"),
        ([0], [3], r"class indices in 0…2, got 3…3"),
        ([0], [-1], r"class indices in 0…2, got -1…-1"),
    ],
)
def test_cells_outside_the_matrix_are_refused(images, classes, words):
    with pytest.raises(InputError, match=words):
        LabelMatrix.from_cells(images, classes, [1] * len(images), (2, 3))


@pytest.mark.parametrize("wrong", [[[0.5]], [[2]], [[np.nan]], [[-2]]])
def test_values_other_than_the_three_are_refused(wrong):
    with pytest.raises(InputError, match=r"1, 0 or -1 only; are these probabilities or class indices\?"):
        LabelMatrix.from_dense(wrong)


@pytest.mark.parametrize("wrong", [[1, 0], 1, [[[1]]]])
def test_other_shapes_than_n_by_k_are_refused(wrong):
    with pytest.raises(InputError, match=r"shape \(N, K\), got"):
        LabelMatrix.from_dense(wrong)


def test_a_wrong_value_in_cells_or_sparse_labels_is_refused():
    for value in (3, 257, 0.5):
        with pytest.raises(InputError, match=f"1, 0 or -1, got {value}"):
            LabelMatrix.from_cells([0], [0], [value], (1, 1))
    with pytest.raises(InputError, match="1, 0 or -1, got 2"):
        LabelMatrix(sparse.csr_array(np.array([[2]], dtype=np.int8)))


def test_a_cell_that_a_sparse_matrix_holds_twice_is_refused_even_where_it_cancels():
    twice = sparse.csr_array(([1, -1], [0, 0], [0, 2]), shape=(1, 1))
    with pytest.raises(InputError, match="each cell once"):
        LabelMatrix(twice)


@pytest.mark.parametrize(("image", "class_index"), [(2, 0), (-1, 0), (0, 3), (0, -1)])
def test_a_cell_outside_is_refused_by_every_method(image, class_index):
    labels = LabelMatrix.from_dense([[1, 0, 0], [0, 0, -1]])
    for look in (
        lambda: labels.values([image], [class_index]),
        lambda: labels.replace([image], [class_index], [1]),
        lambda: LabelMatrix.from_cells([image], [class_index], [1], labels.shape),
    ):
        with pytest.raises(InputError, match=r"(image|class) indices in 0…"):
            look()


def test_a_matrix_is_a_value_that_nothing_outside_can_change():
    source = sparse.csr_array(np.array([[1, 0], [0, -1]], dtype=np.int8))
    labels = LabelMatrix(source)

    source.data[:] = -1
    labels.dense()[:] = 0
    _, _, values = labels.cells()
    with pytest.raises(ValueError, match="read-only"):
        values[0] = -1

    assert labels.dense().tolist() == [[1, 0], [0, -1]]


def test_labels_of_different_shape_are_not_compared():
    with pytest.raises(InputError, match=r"one shape, got \(1, 2\) and \(2, 1\)"):
        LabelMatrix.empty((1, 2)).changed_cells(LabelMatrix.empty((2, 1)))


def test_going_from_present_to_absent_is_a_change():
    assert LabelMatrix.from_dense([[1]]).changed_cells(LabelMatrix.from_dense([[-1]]))[0].tolist() == [0]


def test_an_empty_matrix_has_no_observed_cell():
    labels = LabelMatrix.empty((3, 4))

    assert labels.n_observed == 0
    assert labels.values([0, 2], [3, 3]).tolist() == [0, 0]
    assert labels.positives_per_class().tolist() == [0, 0, 0, 0]
    assert repr(labels) == "LabelMatrix(3 images, 4 classes, 0 observed cells)"


def test_a_million_images_of_a_thousand_classes_cost_megabytes():
    n, k = 1_000_000, 1_000
    images = np.repeat(np.arange(n), 3)
    classes = np.random.default_rng(0).integers(0, k, images.size)

    labels = LabelMatrix.from_cells(images, classes, np.ones(images.size, dtype=np.int8), (n, k))

    assert labels.nbytes < 60_000_000
    assert labels.replace([5], [7], [-1]).nbytes < 60_000_000
    assert labels.positives_per_class().sum() == labels.n_observed > 2_990_000


def dataset(**changes):
    fields = {
        "image_ids": ["a.jpg", "b.jpg"],
        "paths": ["a.jpg", "b.jpg"],
        "class_names": ["cat", "dog", "person"],
        "given_labels": LabelMatrix.empty((2, 3)),
    }
    return AnnotatedDataset(**{**fields, **changes})


def test_a_dataset_holds_what_it_was_given():
    assert dataset().given_labels.shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"given_labels": LabelMatrix.empty((3, 2))}, r"shape \(2, 3\) and 2 paths, got \(3, 2\) and 2"),
        ({"paths": ["a.jpg"]}, r"2 paths, got \(2, 3\) and 1"),
        ({"image_ids": ["a.jpg", "a.jpg"]}, r"every image_id once; was an image listed twice\?"),
        ({"class_names": ["cat", "dog", "cat"]}, r"every class name once; does the class file repeat a line\?"),
    ],
)
def test_a_dataset_that_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        dataset(**changes)


def test_words_are_stored_as_they_are_written():
    assert [*Kind] == ["missing", "spurious"]
    assert [*Verdict] == ["present", "absent", "unsure", "skip", "undo"]


def test_cells_of_some_images_are_those_of_all_in_their_place() -> None:
    labels = LabelMatrix.from_dense([[1, 0, -1], [0, 0, 0], [0, 1, 0], [-1, 0, 1]])
    rows, columns, values = (part.tolist() for part in labels.cells(1, 4))
    assert (rows, columns, values) == ([2, 3, 3], [1, 0, 2], [1, -1, 1])
    assert [part.tolist() for part in labels.cells(2)] == [[2, 3, 3], [1, 0, 2], [1, -1, 1]]


def test_transposed_labels_go_by_class() -> None:
    dense = np.array([[1, 0, -1], [0, 1, 0]])
    np.testing.assert_array_equal(LabelMatrix.from_dense(dense).transposed().dense(), dense.T)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_sparse_labels_are_taken_as_they_are(form) -> None:
    dense = np.array([[1, 0, -1], [0, 1, 0]])
    assert LabelMatrix.from_sparse(form(dense.astype(float))) == LabelMatrix.from_dense(dense)


def test_sparse_labels_that_are_none_are_refused_and_not_rounded() -> None:
    with pytest.raises(InputError, match=r"1, 0 or -1, got 0\.5"):
        LabelMatrix.from_sparse(sparse.csr_array([[1.0, 0.5]]))


def test_many_dense_rows_are_read_in_blocks(monkeypatch) -> None:
    dense = np.random.default_rng(0).integers(-1, 2, (50, 7))
    monkeypatch.setattr("labelmend_core.label_matrix._DENSE_CELLS", 30)
    np.testing.assert_array_equal(LabelMatrix.from_dense(dense).dense(), dense)


def test_a_missing_label_is_wrong_where_the_class_is_present_and_a_spurious_one_where_it_is_not() -> None:
    assert (Kind.MISSING.error_verdict, Kind.MISSING.fine_verdict) == (Verdict.PRESENT, Verdict.ABSENT)
    assert (Kind.SPURIOUS.error_verdict, Kind.SPURIOUS.fine_verdict) == (Verdict.ABSENT, Verdict.PRESENT)


def test_present_and_absent_are_definite() -> None:
    assert [verdict for verdict in Verdict if verdict.is_definite] == [Verdict.PRESENT, Verdict.ABSENT]
