"""What remains: known where it was answered, honest where errors are rare, and not taken in by slips."""

import numpy as np
import pytest

from labelmend_core.detection.audit import N_STEPS
from labelmend_core.detection.stopping import Answers, Remaining, enough_answers, what_remains
from labelmend_core.types import IntArray

K = 4
SHARES = np.array([0.0002, 0.0006, 0.002, 0.006, 0.02, 0.06, 0.2, 0.45, 0.75, 0.95])
SIZES = np.tile(np.array([4000, 3000, 2000, 1000, 500, 300, 150, 80, 60, 50]), (K, 1))
NOTHING = np.zeros_like(SIZES)


def audit(per_step: int, shares: np.ndarray, slips: float = 0.0, seed: int = 0) -> Answers:
    """Ask cells of every class and step until each has enough answers."""
    rng = np.random.default_rng(seed)
    steps = np.tile(np.arange(N_STEPS), K * per_step)
    classes = np.repeat(np.arange(K), N_STEPS * per_step)
    error, fine = np.zeros_like(steps), np.zeros_like(steps)
    mended = np.zeros(steps.size, dtype=bool)
    for i, step in enumerate(steps):
        wrong = rng.random() < shares[step]
        while not enough_answers(SHARES[step], error[i], fine[i]):
            mended[i] = wrong != (rng.random() < slips)
            error[i] += mended[i]
            fine[i] += not mended[i]
    return Answers(NOTHING, NOTHING, classes, steps, error, fine, mended)


def estimate(answers: Answers, upcoming: IntArray = NOTHING) -> Remaining:
    return what_remains(SIZES, SIZES * SHARES, answers, upcoming)


def answered(answers: Answers, n: IntArray, errors: IntArray) -> Answers:
    return Answers(n, errors, answers.classes, answers.steps, answers.said_error, answers.said_fine, answers.mended)


def left_after(answers: Answers, shares: np.ndarray) -> float:
    """Errors to be expected after the audited ones that were mended."""
    return float((SIZES * shares).sum() - answers.mended.sum())


def test_it_is_reproducible_and_ordered() -> None:
    answers = audit(3, SHARES)
    one, two = estimate(answers), estimate(answers)
    assert (one.total, one.low, one.high) == (two.total, two.low, two.high)
    assert one.low < one.total < one.high
    assert (np.diff(one.per_class[:, [1, 0, 2]], axis=1) >= 0).all()


@pytest.mark.parametrize("odds", [0.4, 1.0, 2.5], ids=["too high", "right", "too low"])
def test_the_sample_corrects_error_probabilities_that_are_off(odds: float) -> None:
    shares = odds * SHARES / (1 - SHARES + odds * SHARES)
    answers = audit(6, shares)
    told, true = estimate(answers), left_after(answers, shares)
    assert told.low < true < told.high
    assert told.high - told.low < 1.5 * true


def test_more_answers_narrow_the_interval() -> None:
    few, many = estimate(audit(2, SHARES)), estimate(audit(15, SHARES))
    assert many.high - many.low < 0.7 * (few.high - few.low)


def test_no_error_in_the_sample_does_not_mean_none_in_the_dataset() -> None:
    told = estimate(audit(3, np.zeros(N_STEPS)))
    assert told.total > 0
    assert told.high > 3


def test_what_is_answered_completely_is_known() -> None:
    answers = audit(3, SHARES)
    rest = SIZES.copy()
    np.subtract.at(rest, (answers.classes, answers.steps), 1)
    told = estimate(answered(answers, rest, np.zeros_like(rest)))
    assert told.high < 0.02 * rest.sum()
    assert told.high < 20, "only what a slip may have overlooked"


def test_answers_of_the_queue_bound_their_own_groups_and_teach_nothing_of_others() -> None:
    answers = audit(4, SHARES)
    n, errors = NOTHING.copy(), NOTHING.copy()
    n[:, -1] = 40
    errors[:, -1] = 40  # the most suspicious: all of them errors
    before, after = estimate(answers), estimate(answered(answers, n, errors))
    assert before.total - after.total == pytest.approx(K * 40, rel=0.35)
    assert after.high - after.low == pytest.approx(before.high - before.low, rel=0.35)


def test_slips_are_estimated_from_cells_that_were_asked_twice() -> None:
    careful, careless = estimate(audit(8, SHARES)), estimate(audit(8, SHARES, slips=0.1))
    assert careful.slips < 0.03
    assert 0.06 < careless.slips < 0.15


def test_slips_do_not_pass_for_errors() -> None:
    """5 % slips in the sample weigh as much as 2,200 errors, and there are 800."""
    answers = audit(6, SHARES, slips=0.05)
    told = estimate(answers)
    assert told.low < left_after(answers, SHARES) < told.high
    weight = SIZES[answers.classes, answers.steps] / 6
    assert told.total < 0.6 * weight[(answers.said_error > 0)].sum()


def test_the_next_suggestions_mend_what_they_should() -> None:
    upcoming = NOTHING.copy()
    upcoming[:, 8] = 25
    told = estimate(audit(10, SHARES), upcoming)
    assert told.next_n == 100
    assert told.next_mends == pytest.approx(100 * SHARES[8], abs=12)


def test_a_class_without_errors_has_fewer_left_than_the_others() -> None:
    answers = audit(12, SHARES)
    error = np.where(answers.classes == 0, 0, answers.said_error)
    fine = np.where(answers.classes == 0, 1, answers.said_fine)
    told = estimate(
        Answers(NOTHING, NOTHING, answers.classes, answers.steps, error, fine, (error > 0) & answers.mended)
    )
    assert told.per_class[0, 0] < 0.5 * told.per_class[1:, 0].min()


@pytest.mark.parametrize(
    ("probability", "said_error", "said_fine", "enough"),
    [
        (0.5, 0, 0, False),
        (0.5, 0, 1, True),
        (0.9, 1, 0, True),
        (0.01, 1, 0, False),
        (0.01, 2, 0, False),
        (0.01, 3, 0, True),
        (0.01, 1, 1, True),
        (0.5, 1, 1, False),
        (0.5, 3, 2, True),
        (0.0, 5, 0, True),
        (1.0, 1, 0, True),
    ],
)
def test_an_answer_that_may_be_a_slip_is_asked_again(
    probability: float, said_error: int, said_fine: int, enough: bool
) -> None:
    assert enough_answers(probability, said_error, said_fine) is enough


def test_an_error_probability_of_zero_proves_nothing() -> None:
    answers = audit(5, np.zeros(N_STEPS))
    told = what_remains(SIZES, np.zeros(SIZES.shape), answers, NOTHING)
    assert told.low < 10
    assert 5 < told.high < 2000
