"""How far reviewers agree, by the examples of the literature and by hand; and where they do not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from labelmend_core.errors import InputError
from labelmend_core.ledger import Ledger, Policy, agreements, conflicts, decided_by
from labelmend_core.ledger.agreement import COLUMNS, cohen_kappa, fleiss_kappa
from labelmend_core.types import Decision, Verdict

P, A, UNSURE, SKIP = Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Fleiss, Levin & Paik 2003, table 18.7: raters and positive ratings of 25 subjects.
RATERS = [2, 2, 3, 4, 3, 4, 3, 5, 2, 4, 5, 3, 4, 4, 2, 2, 3, 2, 4, 5, 3, 4, 3, 3, 2]
POSITIVE = [2, 0, 2, 3, 3, 1, 0, 0, 0, 4, 5, 3, 4, 3, 0, 2, 1, 1, 1, 4, 2, 0, 0, 3, 2]


def answers(*said: tuple[int, int, str, Verdict], adjudicates: frozenset[int] = frozenset()) -> pd.DataFrame:
    """Image, class, reviewer and verdict of each, in the order of commit."""
    rows = [
        (n, f"tab-{who}", n, image, k, verdict.value, who, NOON + timedelta(seconds=n), None, n in adjudicates)
        for n, (image, k, who, verdict) in enumerate(said, 1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def of_table(both: int, first: int, second: int, neither: int, k: int = 0) -> list[tuple[int, int, str, Verdict]]:
    pairs = [(P, P)] * both + [(P, A)] * first + [(A, P)] * second + [(A, A)] * neither
    return [(i, k, who, said[who == "ben"]) for i, said in enumerate(pairs) for who in ("ann", "ben")]


def test_cohen_of_the_textbook_table() -> None:
    # 50 grant proposals: both yes 20, only the first 5, only the second 10, both no 15; .7 agree, .5 by chance.
    found, of_class = agreements(answers(*of_table(20, 5, 10, 15)))
    assert (found.cells, found.conflicts, found.share, found.measure) == (50, 15, 0.7, "Cohen")
    assert found.kappa == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - 1.645 * 0.127, abs=0.04), "the large-sample standard error is 0.127"
    assert found.high == pytest.approx(0.4 + 1.645 * 0.127, abs=0.04)
    assert of_class.class_index == 0


def test_fleiss_of_the_textbook_table_with_different_raters_of_each_subject() -> None:
    kappa = fleiss_kappa(np.array(RATERS), np.array(POSITIVE), np.ones(25))
    assert kappa == pytest.approx(0.5415, abs=5e-5)  # printed so by Stata's kappa, which took the table, too
    said = [
        (i, 0, f"rater {(i + r) % 6}", P if r < x else A)
        for i, (m, x) in enumerate(zip(RATERS, POSITIVE, strict=True))
        for r in range(m)
    ]
    (found, _) = agreements(answers(*said))
    assert (found.cells, found.measure) == (25, "Fleiss")
    assert found.kappa == pytest.approx(kappa)
    assert found.low < 0.45 < 0.62 < found.high  # type: ignore[operator]


def test_fleiss_of_as_many_raters_each_is_that_of_1971() -> None:
    present, m = np.array([4, 3, 0, 1, 4, 2]), 4
    p_i = (present * (present - 1) + (m - present) * (m - present - 1)) / (m * (m - 1))
    p = present.sum() / (m * len(present))
    chance = p**2 + (1 - p) ** 2
    expected = (p_i.mean() - chance) / (1 - chance)
    assert fleiss_kappa(np.full(6, m), present, np.ones(6)) == pytest.approx(expected)


@pytest.mark.parametrize(("both", "neither"), [(30, 0), (0, 30)])
def test_without_variation_there_is_no_kappa_and_it_says_so(both: int, neither: int) -> None:
    found = agreements(answers(*of_table(both, 0, 0, neither)))[0]
    assert (found.share, found.kappa, found.low, found.why) == (1.0, None, None, "all answers are the same")
    assert np.isnan(cohen_kappa(np.array([[both, 0], [0, neither]])))


def test_of_few_cells_there_is_no_kappa_and_it_says_so() -> None:
    found = agreements(answers(*of_table(4, 1, 0, 4)))[0]
    assert (found.cells, found.kappa, found.why) == (9, None, "fewer than 10 cells have two answers")
    nothing = agreements(answers())[0]
    assert (nothing.cells, nothing.share, nothing.kappa) == (0, None, None)


def test_reviewers_who_agree_on_all_have_an_interval_all_the_same() -> None:
    found = agreements(answers(*of_table(6, 0, 0, 6)))[0]
    assert (found.kappa, found.high) == (1.0, 1.0)
    assert 0.5 < found.low < 0.9  # type: ignore[operator]


def test_each_class_has_its_own_agreement() -> None:
    said = [*of_table(10, 0, 0, 10, k=2), *of_table(0, 6, 6, 0, k=5)]
    of_all, two, five = agreements(answers(*said))
    assert (of_all.cells, two.class_index, five.class_index) == (32, 2, 5)
    assert (two.kappa, five.kappa) == (1.0, -1.0)


def test_unsure_is_counted_apart_and_a_skip_not_at_all() -> None:
    said = [(0, 0, "ann", P), (0, 0, "ben", UNSURE), (1, 0, "ann", P), (1, 0, "ben", SKIP)]
    found = agreements(answers(*said))[0]
    assert (found.cells, found.unsure) == (0, 1)


def test_the_last_answer_of_a_reviewer_counts_and_an_adjudication_is_none() -> None:
    said = [(0, 0, "ann", P), (0, 0, "ben", A), (0, 0, "ann", A), (1, 0, "ann", P), (1, 0, "ben", A), (1, 0, "ann", A)]
    table = answers(*said, adjudicates=frozenset({6}))
    assert agreements(table)[0].conflicts == 1
    (conflict,) = conflicts(table)
    assert (conflict.image, conflict.class_index) == (1, 0)
    assert [(a.reviewer, a.verdict) for a in conflict.answers] == [("ann", P), ("ben", A)]
    assert conflict.settled is not None
    assert (conflict.settled.reviewer, conflict.settled.verdict, conflict.settled.seq) == ("ann", A, 6)


def test_a_conflict_names_everybody_in_the_order_of_their_answers() -> None:
    said = [(3, 1, "cem", UNSURE), (3, 1, "ben", A), (3, 1, "ann", P), (2, 1, "ann", P), (2, 1, "ben", UNSURE)]
    (conflict,) = conflicts(answers(*said))
    assert [answer.reviewer for answer in conflict.answers] == ["cem", "ben", "ann"]
    assert conflict.answers[0].decided_at == NOON + timedelta(seconds=1)
    assert conflict.settled is None


def decision(seq: int, who: str, verdict: Verdict, image: int = 0, **more: object) -> Decision:
    return Decision(f"tab-{who}", seq, image, 0, verdict, who, NOON, **more)  # type: ignore[arg-type]


def test_the_ledger_finds_the_cells_of_several_reviewers(ledger: Ledger) -> None:
    undone = decision(2, "ben", A, image=2)
    undo = decision(3, "ben", Verdict.UNDO, image=2, undoes=("tab-ben", 2))
    ledger.append([decision(1, "ann", P), decision(1, "ben", A), decision(2, "ann", P, image=1)])
    ledger.append([decision(3, "ann", P, image=2), undone, undo])
    table = ledger.shared_answers()
    assert table[["image_index", "reviewer"]].to_numpy().tolist() == [[0, "ann"], [0, "ben"], [2, "ann"]]
    assert agreements(table)[0].cells == 1
    assert conflicts(table)[0].answers[0].decided_at == NOON


@pytest.mark.parametrize("policy", list(Policy))
def test_an_adjudication_settles_a_cell_under_every_policy_and_can_be_undone(ledger: Ledger, policy: Policy) -> None:
    said = [decision(1, "ann", P), decision(1, "ben", P), decision(1, "cem", A)]
    settles = decision(1, "dora", A, adjudicates=True)
    ledger.append([*said, settles, decision(2, "ben", P)])
    assert decided_by(ledger.decisions(), policy) == {(0, 0): settles}
    assert ledger.verdicts()["verdict"].tolist() == ["absent"]
    ledger.append([decision(2, "dora", Verdict.UNDO, undoes=("tab-dora", 1))])
    assert decided_by(ledger.decisions(), policy) == decided_by([*said, decision(2, "ben", P)], policy)
    assert ledger.verdicts()["verdict"].tolist() == ["present"]


def test_an_adjudication_must_say_present_or_absent(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="Expected an adjudication to say present or absent, got unsure"):
        ledger.append([decision(1, "dora", UNSURE, adjudicates=True)])


def test_a_decision_cannot_become_an_adjudication_by_sending_it_again(ledger: Ledger) -> None:
    ledger.append([decision(1, "ann", P)])
    with pytest.raises(InputError, match="with adjudicates False, got True"):
        ledger.append([decision(1, "ann", P, adjudicates=True)])
