"""`labelmend train`: a head on frozen features in seconds, or the whole network."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from labelmend_app import recipes
from labelmend_app.cli._common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    WorkspaceOption,
    answer,
    opened,
    out,
    progress_bar,
)
from labelmend_app.cli._values import pairs, plain
from labelmend_app.jobs.jobs import JOB_VARIABLE
from labelmend_app.run_options import DEFAULTS, run_settings
from labelmend_core.errors import InputError
from labelmend_core.ledger import RunRecord, Status


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("train")(train)


def train(
    context: typer.Context,
    mode: Annotated[
        str | None, typer.Option(help="probe (default): a head on frozen features; finetune: the whole network.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Settings of a paper, see 'labelmend recipes', or of a .toml file.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Name of the loss; hill by default.")] = None,
    hyperparameters: Annotated[
        list[str] | None, typer.Option("--set", help="Hyperparameter of the loss, such as tau=0.65; repeatable.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="linear (default), cosine, ml_decoder or graph.")] = None,
    head_settings: Annotated[
        list[str] | None, typer.Option("--head-set", help="Setting of the head, such as queries=50; repeatable.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="timm's name of the network; resnet50.", envvar="LABELMEND_BACKBONE")
    ] = None,
    backbone_arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone-arg",
            help="Passed on to timm, such as pad_type=same; repeatable.",
            envvar="LABELMEND_BACKBONE_ARG",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="pretrained, random, or a .safetensors file.", envvar="LABELMEND_WEIGHTS")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the network's input in pixels; 224.", envvar="LABELMEND_IMAGE_SIZE")
    ] = None,
    pixel_mean: Annotated[
        float | None,
        typer.Option(help="Mean of the pixels in [0, 1]; timm's by default.", envvar="LABELMEND_PIXEL_MEAN"),
    ] = None,
    pixel_std: Annotated[
        float | None, typer.Option(help="Deviation of the pixels; timm's by default.", envvar="LABELMEND_PIXEL_STD")
    ] = None,
    local_global: Annotated[
        bool | None, typer.Option(help="finetune: local-global convolutions in the last stage of a ResNet.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images; 10 probe, 20 finetune.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw (default), adam or sgd.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled decay; 3 probe, 0.01 finetune.")] = None,
    sam: Annotated[float | None, typer.Option(help="Sharpness-aware minimisation, such as 0.05; 0 none.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images a step, of all processes together; 256 probe, 64 finetune.")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts that these go through the network in, for want of memory; 1.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="finetune: bf16, no (float32), or auto (default): bf16 on a GPU that has it.")
    ] = None,
    compiled: Annotated[bool | None, typer.Option("--compile", help="finetune: under torch.compile.")] = None,
    sync_norms: Annotated[
        bool | None, typer.Option("--sync-batchnorm", help="finetune: batch norms across processes; GPUs only.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="For out-of-sample probabilities; 5 probe, 1 finetune.")] = None,
    companion: Annotated[
        list[str] | None,
        typer.Option(help="probe: loss whose p is averaged in for suggestions; bce; none for none; repeatable."),
    ] = None,
    planted: Annotated[
        float | None,
        typer.Option(
            help="Share of labels that the last fit does not see, to show what a missing one looks like; 0.1, 0 none."
        ),
    ] = None,
    hold_out: Annotated[
        float | None, typer.Option(help="Share of training images that choose the best epoch; 0: validation does.")
    ] = None,
    unobserved: Annotated[
        str | None, typer.Option(help="A 0 of the labels measured on: absent, left_out, or auto (default).")
    ] = None,
    papers_protocol: Annotated[
        bool, typer.Option("--papers-protocol", help="Choose the best epoch on the validation images in any case.")
    ] = False,
    patience: Annotated[int | None, typer.Option(help="End after so many epochs without a better mAP.")] = None,
    ema: Annotated[float | None, typer.Option(help="Decay of the average of the weights; finetune .9997.")] = None,
    flip: Annotated[bool | None, typer.Option(help="finetune: mirror images; not where left and right matter.")] = None,
    cutout: Annotated[
        float | None, typer.Option(help="finetune: side of a grey square, share of the image's; 0 none.")
    ] = None,
    rand_augment: Annotated[
        int | None, typer.Option(help="finetune: magnitude of RandAugment, 1 to 30; 0 none.")
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Tell tensorboard or mlflow of each epoch; repeatable, none by default.")
    ] = None,
    labels: Annotated[str, typer.Option(help="Train on corrected or given labels.")] = "corrected",
    seed: Annotated[int | None, typer.Option(help="Of folds, order and initial weights; 0.")] = None,
    resume_run: Annotated[str | None, typer.Option("--resume", help="Go on with this stopped run.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Train, and record what the network thinks of every label while it learns.

    Example: `labelmend train --loss splc --backbone resnet50`
    """
    if _is_helper():
        from labelmend_core.training import help_train

        help_train()
        return
    kinds: dict[str, Literal["given", "corrected"]] = {"given": "given", "corrected": "corrected"}
    if labels not in kinds:
        raise InputError(f"Expected --labels given or corrected, got {labels!r}")
    if mode is not None and mode not in DEFAULTS:
        raise InputError(f"Expected --mode {' or '.join(DEFAULTS)}, got {mode!r}")
    base: Mapping[str, Any] = DEFAULTS[mode or "probe"]
    where = "the options"
    if recipe is not None:
        base, where = recipes.read(recipe).settings, f"recipe {recipe}"
    chosen: dict[str, Any] = {
        "mode": mode,
        "loss": loss,
        "head": head,
        "backbone.name": backbone,
        "backbone.weights": weights,
        "backbone.image_size": image_size,
        "backbone.mean": None if pixel_mean is None else [pixel_mean] * 3,
        "backbone.std": None if pixel_std is None else [pixel_std] * 3,
        "local_global": local_global,
        "schedule.epochs": epochs,
        "schedule.optimiser": optimiser,
        "schedule.lr": lr,
        "schedule.weight_decay": weight_decay,
        "schedule.sam": sam,
        "schedule.patience": patience,
        "schedule.ema_decay": ema,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "precision": precision,
        "compiled": compiled,
        "sync_norms": sync_norms,
        "folds": folds,
        "companions": None if not companion else [name for name in companion if name != "none"],
        "planted": planted,
        "unobserved": unobserved,
        "hold_out": 0.0 if papers_protocol else hold_out,
        "track": track or None,
        "augment.flip": flip,
        "augment.cutout": cutout,
        "augment.rand_augment": rand_augment,
        "seed": seed,
        **{f"hyperparameters.{name}": plain(value) for name, value in pairs(hyperparameters)},
        **{f"head_settings.{name}": plain(value) for name, value in pairs(head_settings)},
        **{f"backbone.arguments.{name}": plain(value) for name, value in pairs(backbone_arguments)},
    }
    if recipe is not None:
        chosen = {name: value for name, value in chosen.items() if not _is_from_environment(context, name)}
    # Torch takes seconds to import: a typo should not wait for it.
    from labelmend_app.training import resume, train_in

    with opened(workspace) as project, progress_bar() as bar:
        if resume_run is not None:
            # The screen has forgotten the old stop before it started this job, and a new one may have come since.
            record = resume(project, resume_run, show=bar, forget_stop=JOB_VARIABLE not in os.environ)
        else:
            record = train_in(project, run_settings(base, chosen, where), labels=kinds[labels], show=bar)
        problems = project.catalog.problems()
    for index, why in list(problems.items())[:3]:
        out.print(f"left out: image {index}: {why}", markup=False)
    answer(_sentence(record, len(problems)), _record(record, problems), as_json)


def _is_helper() -> bool:
    """Whether this process was launched beside another one, which says what to train and writes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0


def _is_from_environment(context: typer.Context, name: str) -> bool:
    """Tell whether a setting comes from a variable of the environment, which a recipe outranks."""
    section, _, key = name.partition(".")
    if section != "backbone":
        return False
    parameter = {"name": "backbone", "mean": "pixel_mean", "std": "pixel_std"}.get(key, key.partition(".")[0])
    parameter = "backbone_arguments" if parameter == "arguments" else parameter
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "ENVIRONMENT"


def _sentence(record: RunRecord, n_problems: int) -> str:
    if record.status is not Status.DONE:
        return f"{record.run_id} was stopped. Go on with: labelmend train --resume {record.run_id}"
    metrics = record.metrics
    value = "not defined" if metrics["map"] is None else f"{metrics['map']:.3f}"
    text = f"{record.run_id}: mAP {value} on {metrics['on']} (best epoch chosen on {metrics['chosen_on']})"
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
