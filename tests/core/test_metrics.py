"""Average precision by class, CF1 and OF1: against loops, and what is left out."""

import numpy as np
import pytest

from labelmend_core.errors import InputError
from labelmend_core.metrics import (
    average_precision_per_class,
    cf1_of1,
    cf1_of1_top,
    evaluate,
    how_to_read_unobserved,
)
from labelmend_core.types import LabelMatrix

LABELS = np.array([[1, 0, 0], [-1, 1, 0], [1, -1, 0], [0, 1, -1]], dtype=np.int8)
SCORES = np.array([[0.9, 0.2, 0.6], [0.8, 0.4, 0.1], [0.3, 0.6, 0.2], [0.1, 0.7, 0.3]])


def random_labels(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([-1, 0, 1], dtype=np.int8), size=(40, 5), p=[0.3, 0.4, 0.3])
    return labels, rng.permutation(200).reshape(40, 5) / 200


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_equals_loops(seed, average_precision_by_loops) -> None:
    labels, scores = random_labels(seed)
    by_class = average_precision_per_class(labels, scores)
    observed = average_precision_per_class(labels, scores, unobserved="left_out")
    for k in range(5):
        present = labels[:, k] == 1
        assert by_class[k] == pytest.approx(average_precision_by_loops(present.tolist(), scores[:, k].tolist()))
        seen = labels[:, k] != 0
        expected = average_precision_by_loops(present[seen].tolist(), scores[seen, k].tolist())
        assert observed[k] == pytest.approx(expected)


def test_a_class_without_a_present_cell_is_left_out_and_not_zero() -> None:
    by_class = average_precision_per_class(LABELS, SCORES)
    assert by_class.dtype == np.float64
    np.testing.assert_allclose(by_class, [5 / 6, 5 / 6, np.nan])
    evaluation = evaluate(LABELS, SCORES)
    assert evaluation.mean_average_precision == pytest.approx(5 / 6)
    assert evaluation.left_out == (2,)


def test_without_any_present_cell_the_metrics_are_undefined() -> None:
    empty = np.zeros((3, 2), dtype=np.int8)
    evaluation = evaluate(empty, np.full((3, 2), 0.7))
    assert np.isnan([evaluation.mean_average_precision, evaluation.cf1, evaluation.of1]).all()
    assert evaluation.left_out == (0, 1)


def test_a_class_of_which_only_presence_was_observed_has_nothing_to_rank() -> None:
    labels = np.array([[1, 1], [0, -1], [1, 1]], dtype=np.int8)
    by_class = average_precision_per_class(labels, SCORES[:3, :2], unobserved="left_out")
    assert np.isnan(by_class[0])
    assert not np.isnan(by_class[1])


def test_tied_scores_are_one_step_whatever_their_order() -> None:
    labels = np.array([[1], [0], [0], [0]], dtype=np.int8)
    tied = np.full((4, 1), 0.5)
    assert average_precision_per_class(labels, tied)[0] == 0.25
    assert average_precision_per_class(labels[::-1], tied)[0] == 0.25


def test_cf1_and_of1_by_hand() -> None:
    # Predicted above .5: class 0 in images 0, 1 (one right of two, two present); class 1 in 2, 3 (one right of two,
    # two present); class 2 in image 0 (wrong; the class is left out of CF1, and its false alarm counts for OF1).
    f1 = cf1_of1(LABELS, SCORES)
    assert f1.cf1 == pytest.approx(0.5)
    assert f1.of1 == pytest.approx(2 * 2 / (5 + 4))


def test_cf1_averages_precision_and_recall_before_it_combines_them() -> None:
    labels = np.array([[1, 1], [0, 1], [0, 1], [0, 1]], dtype=np.int8)
    scores = np.array([[0.9, 0.9], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    precision, recall = (0.25 + 1.0) / 2, (1.0 + 0.25) / 2
    assert cf1_of1(labels, scores).cf1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_class_never_predicted_has_no_precision_and_no_hit_scores_zero() -> None:
    labels = np.array([[1, 1], [0, 0]], dtype=np.int8)
    one_found = cf1_of1(labels, np.array([[0.9, 0.1], [0.1, 0.1]]))
    assert one_found == pytest.approx((0.5, 2 / 3))
    assert cf1_of1(labels, np.zeros((2, 2))) == (0.0, 0.0)


def test_the_threshold_itself_is_not_predicted() -> None:
    labels = np.array([[1], [0]], dtype=np.int8)
    assert cf1_of1(labels, np.array([[0.3], [0.2]]), threshold=0.3).of1 == 0.0
    assert cf1_of1(labels, np.array([[0.3], [0.2]]), threshold=0.25).of1 == 1.0


def test_predictions_for_unobserved_cells_are_not_held_against_a_partial_annotation() -> None:
    labels = np.array([[1, 0], [-1, 1]], dtype=np.int8)
    scores = np.array([[0.9, 0.9], [0.1, 0.9]])
    assert cf1_of1(labels, scores).of1 == pytest.approx(0.8)
    assert cf1_of1(labels, scores, unobserved="left_out") == (1.0, 1.0)


def f1_by_loops(labels: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """CF1 and OF1 cell by cell; a cell of 0 is not judged."""
    precisions, recalls, all_hits, all_predictions, all_positives = [], [], 0, 0, 0
    for k in range(labels.shape[1]):
        hits = predictions = positives = 0
        for i in range(labels.shape[0]):
            if labels[i, k] != 0:
                hits += int(labels[i, k] == 1 and predicted[i][k])
                predictions += int(predicted[i][k])
                positives += int(labels[i, k] == 1)
        all_hits, all_predictions, all_positives = (
            all_hits + hits,
            all_predictions + predictions,
            all_positives + positives,
        )
        if positives:
            precisions.append(hits / predictions if predictions else 0.0)
            recalls.append(hits / positives)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    overall_precision, overall_recall = all_hits / all_predictions, all_hits / all_positives
    return (
        2 * precision * recall / (precision + recall),
        2 * overall_precision * overall_recall / (overall_precision + overall_recall),
    )


@pytest.mark.parametrize("unobserved", ["absent", "left_out"])
@pytest.mark.parametrize("threshold", [None, 0.6])
@pytest.mark.parametrize("k", [1, 3])
def test_the_highest_classes_of_each_image_by_loops(k, threshold, unobserved) -> None:
    labels, scores = random_labels(7)
    predicted = [[False] * 5 for _ in range(40)]
    for i in range(40):
        for column in sorted(range(5), key=lambda j, i=i: scores[i, j], reverse=True)[:k]:
            predicted[i][column] = threshold is None or bool(scores[i, column] > threshold)
    judged = labels if unobserved == "left_out" else np.where(labels == 0, -1, labels)

    found = cf1_of1_top(labels, scores, k, threshold, unobserved=unobserved)

    assert found == pytest.approx(f1_by_loops(judged, np.array(predicted)))


def test_as_many_classes_as_there_are_predicts_all_of_them() -> None:
    labels, scores = random_labels(2)
    everything = cf1_of1(labels, scores, threshold=-1.0)
    assert cf1_of1_top(labels, scores, 5) == everything
    assert cf1_of1_top(labels, scores, 99) == everything


def test_of_equal_scores_the_first_class_is_predicted() -> None:
    labels = np.array([[1, 0, 0]], dtype=np.int8)
    assert cf1_of1_top(labels, np.full((1, 3), 0.5), 1).of1 == 1.0


def test_top_without_a_class_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 class predicted for an image, got 0"):
        cf1_of1_top(LABELS, SCORES, 0)


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        ([[1, 0]], "absent"),
        ([[0, 0]], "absent"),
        ([[1, 1]], "absent"),
        ([[1, -1]], "left_out"),
        ([[0, -1]], "left_out"),
    ],
)
def test_labels_with_a_verified_negative_are_partial(labels, read) -> None:
    matrix = LabelMatrix.from_dense(labels)
    assert how_to_read_unobserved(matrix) == read
    assert [how_to_read_unobserved(matrix, choice) for choice in ("absent", "left_out")] == ["absent", "left_out"]


def test_another_way_to_read_unobserved_cells_is_refused() -> None:
    with pytest.raises(InputError, match="one of auto, absent, left_out, got 'ignored'"):
        how_to_read_unobserved(LabelMatrix.empty((1, 1)), "ignored")


def test_an_evaluation_holds_what_the_functions_return() -> None:
    labels, scores = random_labels(0)
    for unobserved in ("absent", "left_out"):
        evaluation = evaluate(labels, scores, threshold=0.4, unobserved=unobserved)
        by_class = average_precision_per_class(labels, scores, unobserved=unobserved)
        np.testing.assert_array_equal(evaluation.average_precision, by_class)
        assert evaluation.mean_average_precision == by_class.mean()
        assert (evaluation.cf1, evaluation.of1) == cf1_of1(labels, scores, 0.4, unobserved=unobserved)
        assert evaluation.left_out == ()


@pytest.mark.parametrize("function", [average_precision_per_class, cf1_of1, evaluate])
def test_bad_labels_and_scores_are_named(function) -> None:
    with pytest.raises(InputError, match=r"labels \(4, 3\) and scores \(4, 2\)"):
        function(LABELS, SCORES[:, :2])
    with pytest.raises(InputError, match=r"labels \(4,\) and scores \(4,\)"):
        function(LABELS[:, 0], SCORES[:, 0])
    with pytest.raises(InputError, match="finite scores"):
        function(LABELS, np.where(SCORES > 0.8, np.nan, SCORES))
    with pytest.raises(InputError, match="got other values"):
        function(2 * LABELS, SCORES)
    with pytest.raises(InputError, match="got 'ignored'"):
        function(LABELS, SCORES, unobserved="ignored")
