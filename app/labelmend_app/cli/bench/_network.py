"""The options that say which network looks at the photographs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from labelmend_app.cli._values import pairs, plain

DataOption = Annotated[Path, typer.Option(help="Folder with images/, classes.txt and the lists.")]
BackboneOption = Annotated[str, typer.Option(help="timm's name of the network.")]
ArgumentsOption = Annotated[
    list[str] | None, typer.Option("--backbone-arg", help="Passed on to timm, such as pad_type=same.")
]
WeightsOption = Annotated[str, typer.Option(help="pretrained, random, or a .safetensors file.")]
SizeOption = Annotated[int, typer.Option(help="Side of the network's input in pixels.")]
MeanOption = Annotated[float, typer.Option(help="Mean of the pixels in [0, 1].")]
StdOption = Annotated[float, typer.Option(help="Deviation of the pixels.")]
KeepOption = Annotated[Path | None, typer.Option(help="Folder that keeps pixels and features for a second run.")]


def network_options(
    backbone: str, arguments: list[str] | None, weights: str, image_size: int, pixel_mean: float, pixel_std: float
) -> dict[str, Any]:
    """Return the options as settings of a run, by dotted name."""
    return {
        "backbone.name": backbone,
        "backbone.weights": weights,
        "backbone.image_size": image_size,
        "backbone.mean": [pixel_mean] * 3,
        "backbone.std": [pixel_std] * 3,
        **{f"backbone.arguments.{name}": plain(value) for name, value in pairs(arguments)},
    }
