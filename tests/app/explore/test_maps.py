"""Maps: a lasso takes all cells that lie in it, drawn or not, and no other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from labelmend_app.explore import maps
from labelmend_app.explore.cells import Known
from labelmend_app.explore.maps import Points, feature_points, learning_points, p_of_class
from labelmend_core.types import Verdict
from labelmend_core.workspace import Workspace

N, N_CLASSES = 40, 3  # of conftest.py
Explore = Callable[..., AppTest]
Charts = Callable[[AppTest], list[dict[str, object]]]


def scattered(n: int) -> Points:
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, n)).astype(np.float32)
    return Points(np.arange(n), np.zeros(n, dtype=np.int64), x, y)


def test_a_lasso_takes_what_lies_in_it_of_all_cells() -> None:
    points = scattered(100_000)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = {"x": (0.5 + 0.3 * np.cos(angle)).tolist(), "y": (0.3 * np.sin(angle)).tolist()}
    inside = points.within({"lasso": [circle], "box": []})
    distance = np.hypot(points.x - 0.5, points.y)
    assert inside[distance < 0.2995].all()
    assert not inside[distance > 0.3].any()
    assert 0 < np.isin(points.drawn(), np.flatnonzero(inside)).sum() < inside.sum()


def test_a_hollow_lasso_leaves_the_hollow_out() -> None:
    points = scattered(2_000)
    hollow = {"x": [-1, 1, 1, 0.5, 0.5, -0.5, -0.5, -1], "y": [-1, -1, 1, 1, -0.5, -0.5, 1, 1]}
    inside = points.within({"lasso": [hollow]})
    assert (inside == ~((np.abs(points.x) < 0.5) & (points.y > -0.5))).all()


def test_boxes_and_lassos_add_up_and_nothing_drawn_takes_nothing() -> None:
    points = scattered(2_000)
    boxes = [{"x": [0.5, 0.1], "y": [0, 1]}, {"x": [-0.5, -0.1], "y": [1, 0]}]
    triangle = {"x": [-1, 1, 1], "y": [-1, -1, -0.2]}
    whole = points.within({"box": boxes, "lasso": [triangle]})
    assert (
        whole.sum()
        == sum(points.within({"box": [box]}).sum() for box in boxes) + points.within({"lasso": [triangle]}).sum()
    )
    assert not points.within({"box": [], "lasso": []}).any()


def test_few_points_are_all_drawn_and_of_many_a_fair_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MOST_DRAWN", 500)
    assert scattered(500).drawn().tolist() == list(range(500))
    drawn = scattered(10_000).drawn()
    assert len(np.unique(drawn)) == 500
    assert (np.histogram(drawn, 5, (0, 10_000))[0] > 60).all()


def test_cells_lie_where_they_were_learned(workspace: Workspace, run_id: str) -> None:
    known = Known.of(workspace, run_id)
    points = learning_points(known, 1, suggested=False)
    assert points is not None
    p = np.arange(N) / N
    assert points.x == pytest.approx(p, abs=0.001)
    assert points.y == pytest.approx(p * (1 - p), abs=0.001)
    assert set(points.classes.tolist()) == {1}
    every, suggested = learning_points(known, None, suggested=False), learning_points(known, None, suggested=True)
    assert every is not None
    assert suggested is not None
    assert (len(every.x), len(suggested.x)) == (N * N_CLASSES, 23)
    assert set(zip(suggested.images.tolist(), suggested.classes.tolist(), strict=True)) >= {(0, 1), (38, 2), (7, 0)}


def test_images_lie_where_their_features_do(workspace: Workspace, run_id: str) -> None:
    known = Known.of(workspace, run_id)
    points = feature_points(known, 2, suggested=False)
    assert points is not None
    order = points.images[np.argsort(points.x)].tolist()
    assert order in (list(range(N)), list(range(N))[::-1])
    p = p_of_class(known, 2)
    assert p is not None
    assert p == pytest.approx(np.arange(N) / N, abs=0.001)


def test_a_run_without_records_or_features_says_what_to_do(workspace: Workspace, run_id: str, explore: Explore) -> None:
    folder: Path = workspace.run_folder(run_id)
    (folder / "embeddings.npy").unlink()
    (folder / "dynamics" / "mean.npy").unlink()
    assert "kept no features" in explore(view="features").info[0].value
    assert "kept nothing of how it learned" in explore(view="learning").info[0].value


@pytest.mark.parametrize("colour", ["decision", "given", "p"])
def test_a_map_shows_its_points_and_what_the_address_selects(
    run_id: str, explore: Explore, select: Callable[..., str], charts: Charts, colour: str
) -> None:
    key = select((4, 0, "missing"), (35, 0, "missing"))
    page = explore(view="features", cells="every", colour=colour, selection=key, **{"class": "0"})
    (chart,) = charts(page)
    traces = chart["data"]
    assert isinstance(traces, list)
    assert sum(len(trace["x"]) for trace in traces) == N
    assert sum(len(trace["selectedpoints"]) for trace in traces) == 2
    assert page.subheader[0].value == "2 selected cells in 2 images"
    assert [b.label for b in page.button if "Mark" in b.label] == [
        "Mark all 2 as showing it",
        "Mark all 2 as not showing it",
    ]


def test_groups_follow_the_decisions(
    run_id: str, explore: Explore, charts: Charts, answer: Callable[..., None]
) -> None:
    answer(0, 0, Verdict.PRESENT)
    answer(38, 2, Verdict.PRESENT)
    (chart,) = charts(explore(view="learning"))
    traces = chart["data"]
    assert isinstance(traces, list)
    assert [trace["name"] for trace in traces] == [
        "missing, open (20)",
        "spurious, open (1)",
        "accepted (1)",
        "rejected (1)",
    ]
    assert not any("<img" in text for trace in traces for text in trace["text"])
