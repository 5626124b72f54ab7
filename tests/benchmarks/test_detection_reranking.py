"""The benchmark of re-ranking measures what it says, on a size that takes a moment."""

from pathlib import Path

from labelmend_app.benchmarks.detection.reranking import measure
from labelmend_app.benchmarks.detection.tables import reranking_table


def test_everything_that_an_answer_changes_is_measured(tmp_path: Path) -> None:
    rows = measure(tmp_path, 7, suggestions=600, answers=50, repeats=1)
    assert [row.what for row in rows][:2] == ["recalibrate", "next 100"]
    assert {(row.suggestions, row.classes, row.answers) for row in rows} == {(600, 7, 50)}
    assert all(row.seconds > 0 and row.first_seconds > 0 for row in rows)
    assert list(tmp_path.iterdir()) == []
    assert reranking_table(rows).splitlines()[2].startswith("| recalibrate | 600 | 7 | 50 |")
