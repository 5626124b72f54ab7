"""Draw the figures of docs/ideas anew: `python docs/figures.py`, two minutes on two cores.

Scenes of handwritten digits whose true labels are known lose 60 % of their labels and get a wrong one more in 8 % of
the images. A small network is trained on what is left, each part of the images by networks that have not seen it, and
labelmend ranks the cells, as in any workspace. Nothing is downloaded.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labelmend_app.digits_demo import SIDE, demo_settings
from labelmend_app.importing import import_annotations
from labelmend_app.run_options import run_settings
from labelmend_app.training import train_in
from labelmend_core import find_label_issues
from labelmend_core.detection import best_now, rank_run, remaining_errors, suggest
from labelmend_core.run_folder import RunFolder
from labelmend_core.types import ABSENT, PRESENT, Decision, Kind, Verdict
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.noise import add_spurious, drop_labels

SCENES, EPOCHS, FOLDS = 2_000, 12, 3
KEPT, WRONG = 0.4, 0.08
REVIEWED, STEP = 2_000, 100
_POINTS = 120  # of a curve
INK = {"light": "#1f2328", "dark": "#e6e6e6"}
GRID = {"light": "#d0d3d8", "dark": "#4a4f57"}
PLAIN, MISSING, SPURIOUS = "#8a8f98", "#2f86d6", "#e69f00"

matplotlib.rcParams |= {
    "svg.hashsalt": "labelmend",  # the same figure is the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@dataclass(frozen=True, eq=False)
class Case:
    """A workspace that was trained, and the truth that was hidden from it.

    Attributes:
        truth: bool (N, K).
        given: int8 (N, K).
        pred_probs: (N, K), of networks that have not seen the image.
        cells: every cell that may be an error, ranked, with `wrong`: whether it is one.
    """

    workspace: Workspace
    run_id: str
    truth: NDArray[np.bool_]
    given: NDArray[np.int8]
    pred_probs: NDArray[np.float32]
    cells: pd.DataFrame

    def of(self, kind: Kind) -> pd.DataFrame:
        """Return the cells of one kind, the most suspicious first."""
        return self.cells[self.cells["kind"] == kind.value]


def make_case(folder: Path, *, scenes: int, epochs: int, folds: int) -> Case:
    """Make scenes, plant errors, train and rank."""
    rng = np.random.default_rng(0)
    made = make_scenes(folder / "images", scenes, rng, SIDE)
    given = add_spurious(drop_labels(made.given_labels, KEPT, rng).labels, WRONG, rng).labels
    lines = [f"{name},{' '.join(map(str, given.positives(i)))}\n" for i, name in enumerate(made.image_ids)]
    (folder / "labels.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "classes.txt").write_text("\n".join(made.class_names) + "\n", encoding="utf-8")
    workspace = import_annotations(
        folder / "workspace", folder / "labels.txt", folder / "images", classes=folder / "classes.txt"
    )
    settings = run_settings(demo_settings(0).to_dict(), {"schedule.epochs": epochs, "folds": folds})
    run_id = train_in(workspace, settings).run_id
    suggest(workspace, run_id, min_probability=0.2)
    cells = rank_run(workspace, run_id, min_probability=0)
    truth, labels = made.given_labels.dense() == PRESENT, given.dense()
    where = cells["image_index"], cells["class_index"]
    cells["wrong"] = truth[where] != (labels[where] == PRESENT)
    probs = np.asarray(RunFolder(workspace.run_folder(run_id)).pred_probs(), dtype=np.float32)
    return Case(workspace, run_id, truth, labels, probs, cells)


def draw_order(figure: Figure, case: Case) -> None:
    """Draw how many of the first pictures show an error, by |y - p| and by error probability."""
    for axes, title, cells in zip(
        _panels(figure, 2),
        ("Both kinds in one list", "Missing labels alone"),
        (case.cells, case.of(Kind.MISSING)),
        strict=True,
    ):
        where = cells["image_index"], cells["class_index"]
        deviation = np.abs((case.given[where] == PRESENT) - case.pred_probs[where])
        wrong = cells["wrong"].to_numpy()
        for name, by, colour in (
            ("|y − p|", deviation, PLAIN),
            ("error probability", cells["error_probability"].to_numpy(), MISSING),
        ):
            axes.plot(*_precision(by, wrong), color=colour, label=name)
        axes.axhline(float(wrong.mean()), color=PLAIN, linestyle=":", label="random order")
        _say(axes, title, "pictures looked at", "share of them that are errors")
        axes.set_ylim(0, 1)
    figure.axes[1].legend(loc="upper right")


def draw_calibration(figure: Figure, case: Case) -> None:
    """Draw what is said of cells without a label against how many are present, for p and for our probability."""
    (axes,) = _panels(figure, 1)
    cells = case.of(Kind.MISSING)
    wrong = cells["wrong"].to_numpy()
    p = case.pred_probs[cells["image_index"], cells["class_index"]]
    _diagonal(axes)
    for name, said, colour in (
        ("p of the network", p, PLAIN),
        ("error probability", cells["error_probability"].to_numpy(), MISSING),
    ):
        axes.plot(*_by_tenths(said, wrong), color=colour, marker="o", markersize=4, label=name)
    _say(axes, "Cells without a label", "probability that is told, mean of a bin", "share of labels that are missing")
    axes.legend(loc="upper left")


def draw_verified(figure: Figure, case: Case) -> None:
    """Draw how many errors a second round finds where rejections are kept as -1, and where they are forgotten."""
    (axes,) = _panels(figure, 1)
    first = case.of(Kind.MISSING).head(REVIEWED)
    where = first["image_index"].to_numpy(), first["class_index"].to_numpy()
    labels = case.given.copy()
    labels[where] = np.where(case.truth[where], PRESENT, ABSENT)
    forgotten = np.where(labels == ABSENT, 0, labels).astype(np.int8)
    for name, given, colour in (("kept as −1", labels, MISSING), ("forgotten (0)", forgotten, PLAIN)):
        cells = find_label_issues(given, case.pred_probs, min_probability=0)
        cells = cells[cells["kind"] == Kind.MISSING.value]
        wrong = case.truth[cells["image"].to_numpy(np.int64), cells["class"].to_numpy(np.int64)]
        axes.plot(*_precision(-cells["rank"].to_numpy(), wrong, REVIEWED), color=colour, label=name)
    title = f"Second round, after {REVIEWED:,} answers"
    _say(axes, title, "pictures looked at", "share of them that are errors")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", title="rejected cells")


def draw_stopping(figure: Figure, case: Case) -> None:
    """Let a reviewer who knows the truth answer, and draw how many missing labels are said to remain, and do."""
    (axes,) = _panels(figure, 1)
    rows = []
    for answers in range(0, REVIEWED + 1, STEP):
        if answers:
            _answer(case, answers)
        left = remaining_errors(case.workspace, case.run_id)[Kind.MISSING].estimate
        corrected = case.workspace.corrected_labels().dense() == PRESENT
        if left is not None:
            rows.append((answers, left.total, left.low, left.high, (case.truth & ~corrected).sum()))
    answers, told, low, high, true = np.array(rows).T.reshape(5, -1)
    axes.fill_between(answers, low, high, color=MISSING, alpha=0.25, linewidth=0, label="90 % interval")
    axes.plot(answers, told, color=MISSING, label="as told")
    axes.plot(answers, true, color=SPURIOUS, linestyle="--", label="in fact")
    _say(axes, "What is left of the missing labels", "answers given", "missing labels that remain")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")


def _answer(case: Case, answers: int) -> None:
    """Answer the next pictures of missing labels as the review asks them: one in five is one of the audit sample."""
    audited = [cell for cell in case.workspace.audits.cells(case.run_id, kind=Kind.MISSING) if not cell.answers]
    cells: dict[tuple[int, int], int | None] = {(a.image_index, a.class_index): None for a in audited[: STEP // 5]}
    suggested = best_now(case.workspace, case.run_id, STEP, kinds=[Kind.MISSING])
    for row in suggested.head(STEP - len(cells)).itertuples():
        cells.setdefault((row.image_index, row.class_index), row.suggestion_id)
    case.workspace.ledger.append(
        [
            Decision(
                client="figures",
                seq=answers - STEP + number,
                image=image,
                class_index=class_index,
                verdict=Verdict.PRESENT if case.truth[image, class_index] else Verdict.ABSENT,
                reviewer="figures",
                decided_at=datetime.now(UTC),
                suggestion_id=suggestion_id,
            )
            for number, ((image, class_index), suggestion_id) in enumerate(cells.items(), start=1)
        ]
    )


def _precision(
    by: NDArray[np.number], wrong: NDArray[np.bool_], most: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return numbers of pictures, and the share of errors among the so many that are highest in `by`."""
    found = np.cumsum(wrong[np.argsort(-by, kind="stable")])
    n = np.unique(np.linspace(20, min(len(wrong), most or 2 * int(wrong.sum())), _POINTS).astype(np.int64))
    return n, found[n - 1] / n


def _by_tenths(said: NDArray[np.floating], what: NDArray[np.generic]) -> tuple[list[float], list[float]]:
    """Return means of both in ten bins of the first, those of at least 20 cells."""
    bins = np.minimum((said * 10).astype(int), 9)
    full = [here for b in range(10) if (here := bins == b).sum() >= 20]
    return [float(said[here].mean()) for here in full], [float(what[here].mean()) for here in full]


def _panels(figure: Figure, n: int) -> list[Axes]:
    return list(np.atleast_1d(figure.subplots(1, n)))


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=PLAIN, linestyle=":", label="told = in fact")
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _say(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(True, alpha=0.6)


DRAWN: dict[str, tuple[Callable[[Figure, Case], None], tuple[float, float]]] = {
    "order": (draw_order, (8.4, 3.4)),
    "calibration": (draw_calibration, (5.2, 3.6)),
    "verified": (draw_verified, (5.2, 3.6)),
    "stopping": (draw_stopping, (6.4, 3.4)),
}


def write(folder: Path, name: str, draw: Callable[[Figure], None], size: tuple[float, float]) -> None:
    """Draw a figure once and write it for a light and for a dark page."""
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    for scheme, ink in INK.items():
        for axes in figure.axes:
            axes.tick_params(colors=ink)
            axes.grid(True, color=GRID[scheme])
            legend = axes.get_legend()
            legends = [] if legend is None else [legend.get_title(), *legend.get_texts()]
            for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *legends):
                text.set_color(ink)
            for spine in axes.spines.values():
                spine.set_color(ink)
        figure.savefig(folder / f"{name}-{scheme}.svg", transparent=True, metadata={"Date": None})


def draw_all(folder: Path, *, scenes: int = SCENES, epochs: int = EPOCHS, folds: int = FOLDS) -> None:
    """Make the case and draw every figure into a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        case = make_case(Path(scratch), scenes=scenes, epochs=epochs, folds=folds)
        for name, (draw, size) in DRAWN.items():
            write(folder, name, partial(draw, case=case), size)
        case.workspace.close()


if __name__ == "__main__":
    draw_all(Path(__file__).parent / "ideas" / "figures")
