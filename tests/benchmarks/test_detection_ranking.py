"""How well errors are found: every method on the same cells, each case in one table."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from labelmend_app.benchmarks.detection import baselines, ranking, session
from labelmend_app.benchmarks.detection.problem import CASES, DIGITS, digits, half, known_cases
from labelmend_app.benchmarks.detection.tables import ranking_table
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.types import PRESENT, Kind


def _silent(phase: str, done: int, total: int) -> None:
    assert done <= total


@pytest.fixture(scope="module")
def rows(small_problem, make_session) -> list[ranking.Row]:
    """Return the rows of one case."""
    return list(ranking.run([small_problem()], make_session, _silent, resamples=20))


def test_every_method_has_its_figures_for_both_kinds(rows) -> None:
    for kind in ("missing", "spurious"):
        here = [row for row in rows if row.kind == kind]
        for row in here:
            if row.note == "not installed":
                continue
            micro, low, high = row.figures["micro"]
            assert low <= high
            assert row.group == "ratio" or 0 <= micro <= 1
        groups = [row.group for row in here]
        assert groups.count("score") == len(ranking.SCORES) + 1  # and p with a second loss
        assert groups[-4:] == ["combination", "ceiling", "ratio", "ratio"]
    splc = [row.kind for row in rows if row.method == "SPLC's flag"]
    assert splc == ["missing"]


def test_all_find_missing_labels_better_than_chance_and_truth_helps(rows) -> None:
    missing = {row.method: row for row in rows if row.kind == "missing"}
    for name in ("|y − p|", ranking.OURS, ranking.CEILING):
        assert missing[name].lift > 1.5
    assert missing[ranking.CEILING].figures["micro"][0] > missing["|y − p|"].figures["micro"][0]


def test_the_ratio_is_to_the_best_of_the_others(rows) -> None:
    here = [row for row in rows if row.kind == "missing"]
    best = max(row.figures["macro"][0] for row in here if row.group == "baseline" and row.figures)
    ours = next(row for row in here if row.group == "combination").figures["macro"][0]
    ratio = next(row for row in here if row.method.endswith("best baseline"))
    assert ratio.figures["macro"][0] == pytest.approx(ours / best)


def test_the_table_holds_every_row_and_no_bar_breaks_it(rows) -> None:
    table = ranking_table(rows)
    lines = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {7}
    assert len(lines) == len(rows) + 4  # a header for each kind


def test_rows_are_plain_json(rows) -> None:
    assert "NaN" not in json.dumps([asdict(row) for row in rows])


def test_what_others_compute_is_the_order_of_the_distance() -> None:
    rng = np.random.default_rng(0)
    present, p = rng.random((200, 6)) < 0.3, rng.random((200, 6))
    distance = baselines.distance(present, p).ravel()
    mistaken = baselines.mistakenness(present, p).ravel()
    assert spearmanr(distance, mistaken).statistic > 0.999
    assert baselines.splc_flag(present, p)[~present].max() == p[~present].max()


@pytest.mark.skipif(not baselines.has_cleanlab(), reason="cleanlab comes with labelmend[benchmark]")
def test_cleanlab_orders_as_the_distance_does_and_counts() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((500, 3)) < 0.4
    p = np.clip(np.where(truth, 0.8, 0.2) + rng.normal(0, 0.1, truth.shape), 0.01, 0.99)
    present = truth & (rng.random(truth.shape) < 0.7)
    np.testing.assert_allclose(baselines.self_confidence(present, p), baselines.distance(present, p), atol=1e-6)
    assert baselines.adjusted_self_confidence(present, p).shape == p.shape
    missing, spurious = baselines.cleanlab_counts(present, p)
    assert missing == pytest.approx((truth & ~present).sum(), rel=0.5)
    assert spurious < missing


def test_a_run_is_kept_and_taken_again(small_problem, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    make = session.maker(tmp_path / "sessions", keep)
    first = make(small_problem())
    evidence = first.evidence(first.train())
    assert len(list(keep.iterdir())) == 1
    monkeypatch.setattr(session, "train", None)  # nothing is trained again
    second = make(small_problem())
    again = second.evidence(second.train())
    np.testing.assert_array_equal(evidence.pred_probs, again.pred_probs)
    np.testing.assert_array_equal(evidence.embeddings, again.embeddings)


def test_other_labels_are_another_run(small_problem, tmp_path) -> None:
    make = session.maker(tmp_path / "sessions", tmp_path)
    problem = small_problem()
    names = {make(one)._name_of(one.settings) for one in (problem, replace(problem, given=problem.truth))}
    assert len(names) == 2


def test_half_of_a_problem_has_its_own_errors(small_problem) -> None:
    problem = small_problem("planted 1")
    one, other = half(problem, 1), half(problem, 2)
    assert one.given.shape[0] == problem.given.shape[0] // 2
    assert len(one.features) == one.given.shape[0] + problem.validation.shape[0]
    assert one.given != other.given
    as_listed = half(small_problem("single"), 1)
    known = np.ones(as_listed.given.shape, dtype=bool)
    errors = [ranking.cells_of(as_listed, kind, known).errors.sum() for kind in Kind]
    assert errors[0] > errors[1] > 0
    np.testing.assert_array_equal(as_listed.features[-1], problem.features[-1])


def test_digits_have_both_kinds_of_error(small_problem) -> None:
    settings = replace(small_problem().settings, backbone=BackboneSpec("test_resnet", "random", image_size=32))
    problem = digits(settings, None, lambda phase, done, total: None, 40)
    known = np.ones(problem.given.shape, dtype=bool)
    for kind in Kind:
        cells = ranking.cells_of(problem, kind, known)
        assert cells.errors.any()
        assert ((problem.given.dense() == PRESENT)[cells.among] == (kind is Kind.SPURIOUS)).all()
    assert problem.features.shape == (640, 96)


def test_cases_are_known_by_name() -> None:
    assert known_cases([]) == CASES
    assert known_cases([DIGITS]) == (DIGITS,)
    with pytest.raises(InputError, match="got 'half'"):
        known_cases(["half"])
