"""`labelmend bench detection --only stopping`: each kind of error of each case has its rows."""

from labelmend_app.benchmarks.detection import stopping
from labelmend_app.benchmarks.detection.tables import stopping_table


def test_each_reviewer_has_rows_for_each_kind_of_error(small_problem, make_session):
    shown: list[str] = []
    rows = list(
        stopping.run(
            [small_problem()],
            make_session,
            lambda text, *_: shown.append(text),
            sessions=2,
            checkpoints=(320,),
            min_probability=0,
        )
    )
    assert [(row["kind"], row["reviewer"]) for row in rows] == [
        (kind, reviewer) for kind in ("missing", "spurious") for reviewer in stopping.REVIEWERS
    ]
    assert all(row["left"] > 0 for row in rows)
    assert shown == ["stopping, planted 0"]
    assert stopping_table(rows).count("planted 0") == len(rows)
