"""`labelmend demo`: the whole loop on scenes of handwritten digits, in a minute, without a download."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmend_app.cli._common import JsonOption, WorkspaceOption, answer, out, progress_bar

if TYPE_CHECKING:
    from labelmend_app.digits_demo import Demo

_ANSWERED = 0.1  # share of the suggestions that the simulated reviewer answers


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("demo")(demo)


def demo(
    headless: Annotated[bool, typer.Option(help="No browser: answer the first tenth with the truth, retrain.")] = False,
    port: Annotated[int, typer.Option(help="Port of the review on this machine.")] = 8501,
    seed: Annotated[int, typer.Option(help="Of scenes, noise and training.")] = 0,
    workspace: WorkspaceOption = Path(".labelmend-demo"),
    as_json: JsonOption = False,
) -> None:
    """Make digit scenes, drop labels to 40 %, train, suggest, and open the review.

    Example: `labelmend demo --headless --json`
    """
    started = time.perf_counter()
    from labelmend_app.digits_demo import run_demo

    with progress_bar() as bar:
        made = run_demo(workspace, seed=seed, started=started, show=bar)
    try:
        record = _found(made)
        text = (
            f"{record['suggestions']:,} suggestions on {record['images']:,} images after {record['seconds']:.0f} s. "
            f"Missing labels are found with an average precision of {record['missing_ap']:.2f} "
            f"({record['missing_ap_random']:.2f} in random order)."
        )
        if not headless:
            out.print(text, markup=False)
            made.workspace.close()
            _review(workspace, port)
            return
        record |= _after_review(made)
    finally:
        made.workspace.close()
    text += (
        f" {record['mended']:,} of {record['answers']:,} answers mended a label; "
        f"mAP {record['map_noisy']:.3f} → {record['map_corrected']:.3f}."
    )
    answer(text, record, as_json)


def _found(made: "Demo") -> dict[str, Any]:
    from labelmend_app.simulation import precision_of_missing

    precision = precision_of_missing(made.workspace, made.run.run_id, made.true_labels)
    return {
        "seconds": round(made.seconds, 1),
        "images": len(made.workspace.dataset.image_ids),
        "suggestions": made.n_suggestions,
        "missing_ap": round(precision["ours"], 4),
        "missing_ap_random": round(precision["random"], 4),
    }


def _after_review(made: "Demo") -> dict[str, Any]:
    """Let the simulated reviewer answer and return what training on gives with the labels as given and corrected."""
    from labelmend_app.class_counts import class_counts
    from labelmend_app.digits_demo import continued_settings
    from labelmend_app.simulation import answer_with_truth, likeliest
    from labelmend_app.training import train_in

    queue = likeliest(made.workspace, made.run.run_id, max(1, round(_ANSWERED * made.n_suggestions)))
    answers = answer_with_truth(made.workspace, queue, made.true_labels)
    settings = continued_settings(made)
    with progress_bar() as bar:
        noisy = train_in(made.workspace, settings, labels="given", show=bar).metrics["map"]
        corrected = train_in(made.workspace, settings, labels="corrected", show=bar).metrics["map"]
    return {
        "map_noisy": round(noisy, 4),
        "map_corrected": round(corrected, 4),
        "answers": answers,
        "mended": class_counts(made.workspace).corrections,
    }


def _review(workspace: Path, port: int) -> None:
    from labelmend_app.server import serve

    serve(workspace, port=port)
