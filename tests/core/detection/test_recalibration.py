import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from labelmend_core.detection.recalibration import LEVEL, OF_CLASS, PIVOT, SLOPE, WORTH, Recalibration, recalibrate

N_CLASSES = 3


def answers(n: int, *, level: float = 0.0, slope: float = 1.0, seed: int = 0, classes: int = N_CLASSES) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = expit(np.round(rng.normal(0, 1.5, n) / 0.05) * 0.05)
    wrong = rng.random(n) < expit(PIVOT + level + slope * (logit(p) - PIVOT))
    return pd.DataFrame({"class_index": rng.integers(classes, size=n), "error_probability": p, "error": wrong})


def negative_log_posterior(z: np.ndarray, answered: pd.DataFrame) -> float:
    classes, p = answered["class_index"].to_numpy(), answered["error_probability"].to_numpy()
    eta = PIVOT + z[0] + z[2:][classes] + (1 + z[1]) * (logit(p) - PIVOT)
    likelihood = np.where(answered["error"], np.log(expit(eta)), np.log(expit(-eta))).sum()
    return -WORTH * likelihood + 0.5 * (z[0] ** 2 / LEVEL**2 + z[1] ** 2 / SLOPE**2 + (z[2:] ** 2).sum() / OF_CLASS**2)


def test_it_finds_the_mode_that_a_general_optimiser_finds() -> None:
    answered = answers(150, level=0.8, slope=1.2)
    best = minimize(negative_log_posterior, np.zeros(2 + N_CLASSES), args=(answered,), tol=1e-10).x
    found = recalibrate(N_CLASSES, answered)
    assert found.slope == pytest.approx(1 + best[1], abs=1e-4)
    np.testing.assert_allclose(found.of_class, best[0] + best[2:], atol=1e-4)


def test_the_deviation_is_that_of_the_inverted_curvature() -> None:
    answered = answers(80)
    best = minimize(negative_log_posterior, np.zeros(2 + N_CLASSES), args=(answered,), tol=1e-10).x
    step = 1e-3 * np.eye(len(best))
    curvature = np.array(
        [
            [
                sum(s * t * negative_log_posterior(best + s * a + t * b, answered) for s in (1, -1) for t in (1, -1))
                / 4e-6
                for a in step
            ]
            for b in step
        ]
    )
    covariance = np.linalg.inv(curvature)
    p, k = 0.8, 1
    weights = np.array([1, logit(p) - PIVOT, *(np.arange(N_CLASSES) == k)])
    deviation = np.sqrt(weights @ covariance @ weights)
    middle, low, high = logit(recalibrate(N_CLASSES, answered)(np.array([k]), np.array([p])))[:, 0]
    assert (high - low) / (2 * 1.645) == pytest.approx(deviation, rel=1e-3)
    assert (high + low) / 2 == pytest.approx(middle)


def test_without_answers_nothing_changes_and_the_interval_is_wide() -> None:
    p = np.array([0.001, 0.3, 0.99])
    now, low, high = recalibrate(N_CLASSES)(np.zeros(3, dtype=np.int64), p)
    np.testing.assert_allclose(now, p)
    assert (low < p / 1.1).all()
    assert (logit(high) - logit(low) > 2).all()


def test_many_answers_bring_the_truth_whatever_was_believed() -> None:
    found = recalibrate(1, answers(20_000, level=-1.5, slope=0.7, classes=1))
    assert found.slope == pytest.approx(0.7, abs=0.05)
    assert found.of_class[0] == pytest.approx(-1.5, abs=0.1)


def test_a_class_without_answers_follows_the_others_but_less_surely() -> None:
    answered = answers(400, level=1.5, classes=2)
    now, low, high = recalibrate(N_CLASSES, answered)(np.array([0, 2]), np.array([0.4, 0.4]))
    assert now[1] > 0.55
    assert high[1] - low[1] > high[0] - low[0]


def test_answers_of_one_class_speak_mostly_about_it() -> None:
    said = pd.DataFrame({"class_index": 0, "error_probability": 0.5, "error": [False] * 30})
    now = recalibrate(N_CLASSES, said)(np.array([0, 1]), np.array([0.5, 0.5]))[0]
    assert now[0] < now[1] < 0.5


@pytest.mark.parametrize("answered", [answers(0), answers(200, level=-1), answers(200, slope=-2, classes=1)])
def test_a_likelier_error_stays_likelier(answered: pd.DataFrame) -> None:
    found = recalibrate(N_CLASSES, answered)
    now = found(np.zeros(50, dtype=np.int64), np.linspace(0.001, 0.999, 50))[0]
    assert (np.diff(now) > 0).all()


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_the_least_probability_is_where_the_curve_reaches_it(probability: float) -> None:
    found = recalibrate(N_CLASSES, answers(300, level=0.5))
    now = found(np.arange(N_CLASSES), found.least(probability))[0]
    np.testing.assert_allclose(now, probability)


def test_what_no_cell_can_reach_has_no_least_probability() -> None:
    never = Recalibration(np.array([-30.0]), 1.0, np.zeros((2, 2)), np.zeros((1, 2)), np.zeros(1))
    assert never.least(0.9).tolist() == [np.inf]
    assert never.least(0.0).tolist() == [0.0]


def test_the_total_is_that_of_the_cells_and_its_interval_that_of_the_draws() -> None:
    answered = answers(300, level=0.6)
    found, probability = recalibrate(N_CLASSES, answered), np.array([0.02, 0.3, 0.9])
    counts = np.array([[400, 40, 10], [0, 90, 0], [900, 0, 5]])
    total = found.total(counts, probability)
    classes, step = np.nonzero(counts)
    now = found(classes, probability[step])
    assert total.n == pytest.approx(counts[classes, step] @ now[0])
    assert total.n == pytest.approx(total.per_class[:, 0].sum())
    assert total.low < total.n < total.high
    # Level and deviations of the classes do not all go one way at once.
    assert counts[classes, step] @ now[1] < total.low
    assert total.high < counts[classes, step] @ now[2]
    assert total.per_class[:, 1].sum() < total.low
    of_each = found.total(counts, np.repeat(probability[None], 3, axis=0))
    np.testing.assert_array_equal(of_each.per_class, total.per_class)


def test_what_may_be_no_error_after_all_lowers_the_lower_end_alone_and_never_below_none() -> None:
    counts = np.array([[400, 40, 10], [0, 0, 2]])
    total = recalibrate(2).total(counts, np.array([0.02, 0.3, 0.9]))
    fewer = total.or_fewer(np.array([3.0, 50.0]))
    assert (fewer.n, fewer.high) == (total.n, total.high)
    assert fewer.low == max(total.low - 53, 0)
    np.testing.assert_allclose(fewer.per_class[:, 1], [total.per_class[0, 1] - 3, 0])
    np.testing.assert_array_equal(fewer.per_class[:, [0, 2]], total.per_class[:, [0, 2]])


def test_the_interval_of_the_total_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    probability, counts = np.array([0.02, 0.1, 0.4, 0.9]), np.array([[3000, 500, 80, 40]] * 4)
    covered = []
    for _ in range(60):
        level, slope = rng.normal(0, LEVEL), rng.normal(1, SLOPE)
        share = expit(PIVOT + level + rng.normal(0, OF_CLASS, (4, 1)) + slope * (logit(probability) - PIVOT))
        total = recalibrate(4).total(counts, probability)
        covered.append(total.low <= rng.binomial(counts, share).sum() <= total.high)
    assert 0.75 < np.mean(covered) < 1.0


def test_probabilities_of_exactly_zero_and_one_do_no_harm() -> None:
    said = pd.DataFrame({"class_index": [0, 0], "error_probability": [0.0, 1.0], "error": [True, False]})
    found = recalibrate(1, said)(np.array([0, 0]), np.array([0.0, 1.0]))
    assert np.isfinite(found).all()


def test_the_probability_alone_is_that_of_the_whole_answer() -> None:
    found = recalibrate(N_CLASSES, answers(60, level=-0.4))
    classes, p = np.array([0, 1, 2, 2]), np.array([0.0, 0.2, 0.9, 1.0])
    np.testing.assert_array_equal(found.likely(classes, p), found(classes, p)[0])
