"""`labelmend bench train`: images a second of our loop against others."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from labelmend_app.cli._common import JsonOption, progress_bar
from labelmend_app.cli._timed import Timed
from labelmend_app.cli._values import pairs, plain
from labelmend_app.cli.bench._network import ArgumentsOption, BackboneOption, KeepOption
from labelmend_core.errors import InputError

_WORDS = {
    "ours": "ours, with the recorder",
    "bare": "PyTorch and timm by hand, the same batches",
    "pure": "forward and backward alone",
    "files": "by hand, files read in each epoch",
}


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("train")(train)


def train(
    data: Annotated[Path | None, typer.Option(help="Folder of coco18; scenes of digits without.")] = None,
    backbone: BackboneOption = "mobilenetv2_100",
    backbone_arguments: ArgumentsOption = None,
    image_size: Annotated[int, typer.Option(min=16, help="Side of the network's input in pixels.")] = 128,
    images: Annotated[int, typer.Option(min=4, help="To train on.")] = 128,
    batch_size: Annotated[int, typer.Option(min=2, help="Images a step.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="Passes of each loop over the images.")] = 7,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Measure memory, too, in processes of their own.")
    ] = True,
    keep: KeepOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time our training loop against one by hand, the network alone, and one that reads files in each epoch.

    Example: `labelmend bench train --data coco18 --json`
    """
    from labelmend_app.benchmarks import training as benchmark
    from labelmend_app.benchmarks.table import markdown
    from labelmend_core.models import BackboneSpec
    from labelmend_datasets.digits import make_scenes
    from labelmend_datasets.formats import FORMATS

    arguments = {name: plain(value) for name, value in pairs(backbone_arguments)}
    spec = BackboneSpec(backbone, "random", arguments, image_size, (0.5,) * 3, (0.5,) * 3)
    with tempfile.TemporaryDirectory(prefix="labelmend-train-") as scratch, progress_bar() as bar:
        if data is None:
            folder = Path(scratch) / "photos"
            dataset = make_scenes(folder, images, np.random.default_rng(0), image_size)
        else:
            if not (data / "train_full.txt").is_file():
                raise InputError(f"Expected images/, classes.txt and train_full.txt in {data}, found no train_full.txt")
            folder = data / "images"
            dataset = FORMATS["list"].read(data / "train_full.txt", classes=data / "classes.txt")
            first = range(min(images, len(dataset.paths)))
            dataset = replace(
                dataset,
                image_ids=[dataset.image_ids[i] for i in first],
                paths=[dataset.paths[i] for i in first],
                given_labels=dataset.given_labels.select(np.array(first)),
            )
        cache = (keep or Path(scratch)) / f"pixels-{image_size}"
        speed = benchmark.run(
            dataset, folder, cache, spec, batch_size=batch_size, rounds=rounds, memory=memory, show=Timed(bar)
        )
    rows = [
        [
            _WORDS[arm],
            f"{speed.images_per_second(arm):,.1f}",
            "" if arm == "ours" else f"{speed.ratio_to(arm):.3f}",
            f"{speed.cpu_ratio_to(arm):.3f}" if arm in ("bare", "pure") else "",
            f"{speed.peak_bytes[arm] / 1e6:,.0f}" if arm in speed.peak_bytes else "",
        ]
        for arm in benchmark.ARMS
    ]
    typer.echo(markdown(["loop", "images/s", "ours against it", "… by time of all cores", "most memory, MB"], rows))
    if as_json:
        ratios = {"ratio_to_bare_loop": speed.ratio_to("bare"), "ratio_to_pure_compute": speed.ratio_to("pure")}
        ratios |= {f"{name}_cpu": speed.cpu_ratio_to(arm) for name, arm in zip(ratios, ("bare", "pure"), strict=True)}
        typer.echo(json.dumps({**ratios, "ratio_to_files": speed.ratio_to("files"), **asdict(speed)}))
