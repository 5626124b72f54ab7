"""`labelmend score`: what a network says of images that are too many for one array, in shards."""

from pathlib import Path
from typing import Annotated

import typer

from labelmend_app.cli._common import (
    DEFAULT_WORKSPACE,
    FormatOption,
    JsonOption,
    WorkspaceOption,
    answer,
    progress_bar,
)
from labelmend_app.cli._trained import network_and_images


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("score")(score)


def score(
    out: Annotated[Path, typer.Option(help="Folder of the scores, the same for all shards.")] = Path("scores"),
    shard: Annotated[str, typer.Option(help="Which part of the images, such as 3/8: the third of eight.")] = "1/1",
    merge: Annotated[
        bool, typer.Option("--merge", help="Score nothing; make one of all shards in the folder.")
    ] = False,
    checkpoint: Annotated[Path | None, typer.Option(help="model.safetensors of a run, its JSON beside it.")] = None,
    run: Annotated[str | None, typer.Option(help="Run of the workspace; the newest finished one by default.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Score the images of these annotations instead; needs --images.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="What their image names are relative to: folder, zip, tar, or address.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="File with one class name a line, for --labels.")] = None,
    format_name: FormatOption = "auto",
    keep: Annotated[
        int, typer.Option("--top", min=1, help="How many probabilities of an image are kept, beside its labels'.")
    ] = 50,
    weights: Annotated[
        str | None, typer.Option(help="Of a probe's backbone, if they lie elsewhere than in training.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 64,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Score images with a trained network and keep the highest probabilities of each; shards may run anywhere.

    A shard that was killed goes on where it was. 'labelmend find --probs FOLDER' takes the merged scores.

    Example: `labelmend score --shard 1/8 --out scores`
    """
    from labelmend_app.scoring import shard_of
    from labelmend_core.top_scores import merge as merge_blocks

    part = shard_of(shard)
    if merge:
        found = merge_blocks(out)
        record = {"images": found.shape[0], "kept": found.nnz, "unreadable_images": len(found.unreadable)}
        text = f"{found.shape[0]:,} images, {found.nnz:,} probabilities. Next: labelmend find --probs {out}"
        answer(text, {**record, "folder": str(out)}, as_json)
        return
    path, trained, shown = network_and_images(
        workspace,
        checkpoint=checkpoint,
        run=run,
        weights=weights,
        split="train",
        labels=labels,
        images=images,
        format_name=format_name,
        classes=classes,
    )
    from labelmend_app import scoring

    with progress_bar() as bar:
        about = scoring.about(path, shown, keep)
        n = scoring.score(trained, shown, out, about, shard=part, batch_size=batch_size, show=bar)
    text = (
        f"Shard {shard}: {n:,} images scored into {out}. When all shards are done: labelmend score --merge --out {out}"
    )
    answer(text, {"shard": shard, "scored": n, "folder": str(out)}, as_json)
