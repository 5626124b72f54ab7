"""`labelmend train`: a head on frozen features in seconds, or the whole network."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from labelmend_app.cli._common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    WorkspaceOption,
    answer,
    opened,
    out,
    progress_bar,
)
from labelmend_core.errors import InputError
from labelmend_core.ledger import RunRecord, Status

if TYPE_CHECKING:
    from labelmend_core.models import BackboneSpec

# epochs, lr, weight decay, batch size: a head wants a strong decay, a network a weak one.
DEFAULTS = {"probe": (10, 1e-3, 3.0, 256), "finetune": (20, 1e-3, 1e-2, 64)}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("train")(train)


def train(
    mode: Annotated[str, typer.Option(help="probe: a head on frozen features; finetune: the whole network.")] = "probe",
    loss: Annotated[str, typer.Option(help="bce, asl, hill, splc or pu_mlc.")] = "hill",
    hyperparameters: Annotated[
        list[str] | None, typer.Option("--set", help="Hyperparameter of the loss, such as tau=0.65; repeatable.")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="timm's name of the network.", envvar="LABELMEND_BACKBONE")
    ] = "resnet50",
    backbone_arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone-arg",
            help="Passed on to timm, such as pad_type=same; repeatable.",
            envvar="LABELMEND_BACKBONE_ARG",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="pretrained, random, or a .safetensors file.", envvar="LABELMEND_WEIGHTS")
    ] = "pretrained",
    image_size: Annotated[
        int, typer.Option(help="Side of the network's input in pixels.", envvar="LABELMEND_IMAGE_SIZE")
    ] = 224,
    pixel_mean: Annotated[
        float | None,
        typer.Option(help="Mean of the pixels in [0, 1]; timm's by default.", envvar="LABELMEND_PIXEL_MEAN"),
    ] = None,
    pixel_std: Annotated[
        float | None, typer.Option(help="Deviation of the pixels; timm's by default.", envvar="LABELMEND_PIXEL_STD")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images; 10 probe, 20 finetune.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled decay; 3 probe, 0.01 finetune.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step; 256 probe, 64 finetune.")] = None,
    folds: Annotated[int | None, typer.Option(help="For out-of-sample probabilities; 5 probe, 1 finetune.")] = None,
    planted: Annotated[float, typer.Option(help="Share of labels hidden, to calibrate suggestions; 0 none.")] = 0.1,
    patience: Annotated[int | None, typer.Option(help="End after so many epochs without a better mAP.")] = None,
    ema: Annotated[float | None, typer.Option(help="Decay of the average of the weights; finetune .9997.")] = None,
    flip: Annotated[bool, typer.Option(help="finetune: mirror images; not where left and right matter.")] = True,
    labels: Annotated[str, typer.Option(help="Train on corrected or given labels.")] = "corrected",
    seed: Annotated[int, typer.Option(help="Of folds, order and initial weights.")] = 0,
    resume_run: Annotated[str | None, typer.Option("--resume", help="Go on with this stopped run.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Train, and record what the network thinks of every label while it learns.

    Example: `labelmend train --loss splc --backbone resnet50`
    """
    chosen: dict[str, Literal["given", "corrected"]] = {"given": "given", "corrected": "corrected"}
    if labels not in chosen:
        raise InputError(f"Expected --labels given or corrected, got {labels!r}")
    if mode not in DEFAULTS:
        raise InputError(f"Expected --mode {' or '.join(DEFAULTS)}, got {mode!r}")
    # Torch takes seconds to import: a typo should not wait for it.
    from labelmend_app.training import resume, train_in
    from labelmend_core.training import RunSettings, Schedule

    with opened(workspace) as project, progress_bar() as bar:
        if resume_run is not None:
            record = resume(project, resume_run, show=bar)
        else:
            default_epochs, default_lr, default_decay, default_batch = DEFAULTS[mode]
            average = 0.9997 if mode == "finetune" and ema is None else ema
            settings = RunSettings(
                mode="probe" if mode == "probe" else "finetune",
                loss=loss,
                hyperparameters={name: _plain(value) for name, value in _pairs(hyperparameters)},
                backbone=backbone_spec(backbone, weights, backbone_arguments, image_size, pixel_mean, pixel_std),
                schedule=Schedule(
                    epochs=epochs or default_epochs,
                    lr=lr or default_lr,
                    weight_decay=default_decay if weight_decay is None else weight_decay,
                    patience=patience,
                    ema_decay=average,
                ),
                batch_size=batch_size or default_batch,
                folds=folds or (5 if mode == "probe" else 1),
                planted=planted,
                flip=flip,
                seed=seed,
            )
            record = train_in(project, settings, labels=chosen[labels], show=bar)
        problems = project.catalog.problems()
    for index, why in list(problems.items())[:3]:
        out.print(f"left out: image {index}: {why}", markup=False)
    answer(_sentence(record, len(problems)), _record(record, problems), as_json)


def backbone_spec(
    name: str,
    weights: str,
    arguments: list[str] | None,
    image_size: int,
    pixel_mean: float | None,
    pixel_std: float | None,
) -> "BackboneSpec":
    """Return the backbone that the options name."""
    from labelmend_core.models import BackboneSpec

    return BackboneSpec(
        name,
        weights,
        {key: _plain(value) for key, value in _pairs(arguments)},
        image_size,
        None if pixel_mean is None else (pixel_mean,) * 3,
        None if pixel_std is None else (pixel_std,) * 3,
    )


def _sentence(record: RunRecord, n_problems: int) -> str:
    if record.status is not Status.DONE:
        return f"{record.run_id} was stopped. Go on with: labelmend train --resume {record.run_id}"
    metrics = record.metrics
    value = "not defined" if metrics["map"] is None else f"{metrics['map']:.3f}"
    text = f"{record.run_id}: mAP {value} on {metrics['on']}"
    if metrics["left_out"]:
        text += f" ({len(metrics['left_out'])} classes without a positive are left out)"
    if n_problems:
        text += f"; {n_problems} images cannot be read and were left out"
    return f"{text}.\nNext: labelmend suggest"


def _record(record: RunRecord, problems: dict[int, str]) -> dict[str, Any]:
    return {
        "run": record.run_id,
        "status": record.status.value,
        "labels": record.labels,
        "unreadable_images": len(problems),
        **record.metrics,
    }


def _pairs(values: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for value in values or []:
        name, equals, content = value.partition("=")
        if not equals or not name:
            raise InputError(f"Expected NAME=VALUE, got {value!r}")
        pairs.append((name, content))
    return pairs


def _plain(value: str) -> str | int | float | bool:
    """Return the number or truth value that a text spells, the text itself otherwise."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value
