"""Given labels and decisions make corrected labels, whoever answered, in whatever order of the clock."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmend_core.errors import InputError
from labelmend_core.ledger import Policy, decided_by, replay, standing
from labelmend_core.types import Decision, LabelMatrix, Verdict

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PRESENT, ABSENT, UNSURE, SKIP = Verdict.PRESENT, Verdict.ABSENT, Verdict.UNSURE, Verdict.SKIP


def events_on(image: int, class_index: int, *said: tuple[str, Verdict] | int) -> list[Decision]:
    """Answers (reviewer, verdict) on one cell, in order; a number undoes the event of that position."""
    events: list[Decision] = []
    for seq, what in enumerate(said, start=1):
        reviewer, verdict = ("ann", Verdict.UNDO) if isinstance(what, int) else what
        undoes = ("tab", what + 1) if isinstance(what, int) else None
        events.append(Decision("tab", seq, image, class_index, verdict, reviewer, NOON, undoes=undoes))
    return events


def corrected(value: int, *said: tuple[str, Verdict] | int, policy: Policy = Policy.LATEST) -> int:
    """What one cell that was given `value` becomes; the cells around it must stay 0."""
    given_labels = LabelMatrix.from_cells([1], [1], [value], (3, 3))
    labels = replay(given_labels, events_on(1, 1, *said), policy).dense()
    assert np.count_nonzero(labels) == abs(int(labels[1, 1]))
    return int(labels[1, 1])


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(
    ("value", "verdict", "expected"),
    [
        pytest.param(0, PRESENT, 1, id="accepted missing, unobserved"),
        pytest.param(-1, PRESENT, 1, id="accepted missing, seen as absent"),
        pytest.param(0, ABSENT, -1, id="rejected missing: a verified negative"),
        pytest.param(-1, ABSENT, -1, id="rejected missing, seen as absent"),
        pytest.param(1, ABSENT, -1, id="accepted spurious"),
        pytest.param(1, PRESENT, 1, id="rejected spurious"),
    ],
)
def test_an_answer_becomes_the_label(policy: Policy, value: int, verdict: Verdict, expected: int) -> None:
    assert corrected(value, ("ann", verdict), policy=policy) == expected


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("value", [1, 0, -1])
def test_unsure_and_skip_alone_leave_the_cell_as_given(policy: Policy, value: int) -> None:
    assert corrected(value, ("ann", UNSURE), ("ben", SKIP), policy=policy) == value


@pytest.mark.parametrize(
    ("said", "latest", "majority", "unanimous"),
    [
        pytest.param([("ann", PRESENT), ("ben", ABSENT)], -1, 0, 0, id="two who disagree"),
        pytest.param([("ann", PRESENT), ("ben", PRESENT), ("cem", ABSENT)], -1, 1, 0, id="outvoted, but last"),
        pytest.param([("ann", PRESENT), ("ben", ABSENT), ("ann", ABSENT)], -1, -1, -1, id="changed her mind"),
        pytest.param([("ann", PRESENT), ("ann", PRESENT), ("ben", ABSENT)], -1, 0, 0, id="one vote a reviewer"),
        pytest.param([("ann", PRESENT), ("ben", ABSENT), ("ann", PRESENT)], 1, 0, 0, id="said again is said last"),
        pytest.param([("ann", PRESENT), ("ann", UNSURE)], 0, 0, 0, id="withdrawn"),
        pytest.param([("ann", PRESENT), ("ben", ABSENT), ("ben", UNSURE)], 1, 1, 0, id="only his own withdrawn"),
        pytest.param([("ann", PRESENT), ("ben", UNSURE)], 1, 1, 0, id="an unsure one is not unanimous"),
        pytest.param([("ann", PRESENT), ("ann", SKIP), ("ben", SKIP)], 1, 1, 1, id="a skip says nothing"),
        pytest.param([("ann", UNSURE), ("ann", ABSENT)], -1, -1, -1, id="made up her mind"),
        pytest.param([("ann", PRESENT), 0], 0, 0, 0, id="undone"),
        pytest.param([("ann", ABSENT), ("ann", PRESENT), 1], -1, -1, -1, id="undo brings the earlier answer back"),
        pytest.param([("ann", PRESENT), ("ann", UNSURE), 1], 1, 1, 1, id="undone unsure"),
        pytest.param([("ann", PRESENT), 0, 0], 0, 0, 0, id="undone twice"),
        pytest.param([("ann", ABSENT), ("ann", PRESENT), 1, 1], -1, -1, -1, id="undone twice takes one answer back"),
        pytest.param([("ann", PRESENT), 0, 1], 0, 0, 0, id="an undo cannot be undone"),
        pytest.param([("ann", PRESENT), 0, ("ann", ABSENT)], -1, -1, -1, id="decided again after an undo"),
        pytest.param([("ann", PRESENT), ("ben", ABSENT), 0], -1, -1, -1, id="undone by another"),
    ],
)
def test_each_policy_counts_its_own_way(
    said: list[tuple[str, Verdict] | int], latest: int, majority: int, unanimous: int
) -> None:
    assert [corrected(0, *said, policy=policy) for policy in Policy] == [latest, majority, unanimous]


def test_the_order_of_commits_counts_and_not_the_clock() -> None:
    early, late = events_on(0, 0, ("ann", PRESENT), ("ann", ABSENT))
    jumped_back = Decision("tab", 2, 0, 0, late.verdict, "ann", early.decided_at - timedelta(days=400))
    given_labels = LabelMatrix.empty((1, 1))
    assert replay(given_labels, [early, jumped_back]).dense().tolist() == [[-1]]
    assert replay(given_labels, [jumped_back, early]).dense().tolist() == [[1]]


def test_the_given_labels_are_left_alone() -> None:
    given_labels = LabelMatrix.from_dense([[1, 0]])
    replay(given_labels, events_on(0, 0, ("ann", ABSENT)))
    assert given_labels == LabelMatrix.from_dense([[1, 0]])


def test_a_decision_on_an_image_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="Expected image indices in 0…2"):
        replay(LabelMatrix.empty((3, 3)), events_on(3, 0, ("ann", PRESENT)))


@pytest.mark.parametrize(
    ("policy", "said", "position"),
    [
        pytest.param(Policy.LATEST, [("ann", PRESENT), ("ben", ABSENT), ("ben", UNSURE)], 0, id="not who withdrew"),
        pytest.param(Policy.LATEST, [("ann", PRESENT), ("ben", PRESENT), ("cem", SKIP)], 1, id="not who skipped"),
        pytest.param(Policy.MAJORITY, [("ann", ABSENT), ("ben", ABSENT), ("cem", PRESENT)], 1, id="not who lost"),
        pytest.param(Policy.MAJORITY, [("ann", ABSENT), ("ben", PRESENT)], None, id="nobody in a draw"),
        pytest.param(Policy.UNANIMOUS, [("ann", ABSENT), ("ben", ABSENT)], 1, id="the last who agreed"),
        pytest.param(Policy.UNANIMOUS, [("ann", ABSENT), ("ben", UNSURE)], None, id="nobody where one is unsure"),
    ],
)
def test_decided_by_names_whose_word_was_taken(
    policy: Policy, said: list[tuple[str, Verdict] | int], position: int | None
) -> None:
    events = events_on(2, 1, *said)
    assert decided_by(events, policy) == ({} if position is None else {(2, 1): events[position]})


def test_standing_keeps_the_order_and_drops_undos_and_what_they_name() -> None:
    events = events_on(0, 0, ("ann", PRESENT), ("ben", SKIP), ("ann", ABSENT), 0)
    assert standing(iter(events)) == [events[1], events[2]]


def test_standing_tells_clients_with_the_same_numbers_apart() -> None:
    ours, theirs = (Decision(client, 1, 0, 0, PRESENT, client, NOON) for client in ("ann", "ben"))
    undo = Decision("ann", 2, 0, 0, Verdict.UNDO, "ann", NOON, undoes=("ann", 1))
    assert standing([ours, theirs, undo]) == [theirs]


N, K = 3, 2


@st.composite
def histories(draw: st.DrawFn) -> list[Decision]:
    """Events of three reviewers at two clients, with a clock that goes where it likes and undos of anything."""
    events: list[Decision] = []
    for seq in range(1, draw(st.integers(0, 14)) + 1):
        client, reviewer = draw(st.sampled_from(["tab", "phone"])), draw(st.sampled_from(["ann", "ben", "cem"]))
        at = NOON + timedelta(seconds=draw(st.integers(-1000, 1000)))
        if events and draw(st.integers(0, 3)) == 0:
            target = draw(st.sampled_from(events))
            undoes = (target.client, target.seq)
            event = Decision(client, seq, target.image, target.class_index, Verdict.UNDO, reviewer, at, None, undoes)
        else:
            cell = draw(st.integers(0, N - 1)), draw(st.integers(0, K - 1))
            event = Decision(client, seq, *cell, draw(st.sampled_from([PRESENT, ABSENT, UNSURE, SKIP])), reviewer, at)
        events.append(event)
    return events


def naive_cell(value: int, events: list[Decision], policy: Policy) -> int:
    """One cell by the words of the documentation, looking at every event anew for every question."""
    undone = [event.undoes for event in events]
    counts = [e for e in events if e.verdict in (PRESENT, ABSENT, UNSURE) and (e.client, e.seq) not in undone]
    last = [e for i, e in enumerate(counts) if e.reviewer not in [later.reviewer for later in counts[i + 1 :]]]
    present, absent, unsure = ([e for e in last if e.verdict is v] for v in (PRESENT, ABSENT, UNSURE))
    if policy is Policy.LATEST:
        definite = [e for e in last if e not in unsure]
        return value if not definite else (1 if definite[-1] in present else -1)
    if policy is Policy.MAJORITY:
        return value if len(present) == len(absent) else (1 if len(present) > len(absent) else -1)
    if unsure or (present and absent) or not last:
        return value
    return 1 if present else -1


@given(
    labels=st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=K, max_size=K), min_size=N, max_size=N),
    events=histories(),
    policy=st.sampled_from(Policy),
)
def test_replay_of_any_history_equals_the_naive_one(
    labels: list[list[int]], events: list[Decision], policy: Policy
) -> None:
    expected = [
        [naive_cell(labels[i][k], [e for e in events if (e.image, e.class_index) == (i, k)], policy) for k in range(K)]
        for i in range(N)
    ]
    replayed = replay(LabelMatrix.from_dense(labels), events, policy)
    assert replayed.dense().tolist() == expected
    for (image, class_index), decision in decided_by(events, policy).items():
        assert replayed.dense()[image, class_index] == {PRESENT: 1, ABSENT: -1}[decision.verdict]
