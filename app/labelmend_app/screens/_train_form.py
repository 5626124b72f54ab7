"""The form of a new training run, and the command line that it stands for."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from labelmend_app.run_options import DEFAULTS
from labelmend_app.screens import _losses
from labelmend_core.hyperparameter import Value
from labelmend_core.trackers import is_installed
from labelmend_core.workspace import Workspace

_MODES = {
    "probe": ("Probe", "a head on frozen features: the network looks at each image once, then seconds"),
    "finetune": ("Fine-tune", "the whole network: better, and much slower without a GPU"),
}
_LABELS = {
    "given": ("As given", "as they were imported"),
    "corrected": ("Corrected", "with all decisions so far, rejected suggestions as verified negatives"),
}
_TRACKERS = {"": "none", "tensorboard": "TensorBoard", "mlflow": "MLflow"}
_FOLDS = {"probe": 5, "finetune": 1}
_PRETRAINED = "pretrained"
HEADS = {
    "linear": "a logit for each class, from the pooled features",
    "cosine": "the angle between features and class; for aam",
    "ml_decoder": "attention: each class looks where it likes; slower, better for small objects",
    "graph": "classes that occur together speak for one another",
}


_NUMBERS = (
    "image_size",
    "pixel_mean",
    "pixel_std",
    "epochs",
    "folds",
    "planted",
    "hold_out",
    "lr",
    "batch_size",
    "seed",
)


@dataclass(frozen=True)
class Choices:
    """What the form asks for; None leaves the choice to `labelmend train`."""

    mode: str
    loss: str
    labels: str
    backbone: str
    head: str = "linear"
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    backbone_arguments: str = ""
    weights: str = ""
    image_size: int | None = None
    pixel_mean: float | None = None
    pixel_std: float | None = None
    epochs: int | None = None
    planted: float | None = None
    hold_out: float | None = None
    folds: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    seed: int | None = None
    track: str = ""

    def arguments(self) -> list[str]:
        """Return the options of `labelmend train`.

        Example:
            >>> Choices("probe", "splc", "given", "resnet18", hyperparameters={"tau": 0.65}, epochs=5).arguments()[10:]
            ['--set', 'tau=0.65', '--epochs', '5']
        """
        options = ["--mode", self.mode, "--loss", self.loss, "--labels", self.labels, "--backbone", self.backbone]
        options += ["--head", self.head]
        for name, value in self.hyperparameters.items():
            options += ["--set", f"{name}={value}"]
        for pair in self.backbone_arguments.split():
            options += ["--backbone-arg", pair]
        if self.weights:
            options += ["--weights", self.weights]
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None:
                options += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        return [*options, *(["--track", self.track] if self.track else [])]

    def problem(self) -> str | None:
        """Return what cannot be right, None when nothing is seen."""
        if not self.backbone:
            return "Name a backbone: any network that timm knows, such as mobilenetv2_100 or resnet50."
        if self.loss == "aam" and self.head == "linear":
            return "The loss aam takes cosines: choose the head cosine, ml_decoder or graph."
        if any("=" not in pair for pair in self.backbone_arguments.split()):
            return "Write backbone arguments as name=value with a space between two, such as pad_type=same."
        if self.track and not is_installed(self.track):
            return (
                f"{_TRACKERS[self.track]} is not installed where labelmend runs; pip install "
                f"'labelmend[{self.track}]' there, or track nothing: the curves are on this screen in any case."
            )
        if self.weights not in ("", "random", _PRETRAINED) and not Path(self.weights).expanduser().is_file():
            return "There is no file at the path given for the weights, seen from the machine that runs labelmend."
        return None


def form(workspace: Workspace, *, start: str = "Start training") -> Choices | None:
    """Draw the form, filled in as the run before; return the choices when its button, named `start`, is pressed."""
    last = _last_settings(workspace)
    with st.container(border=True):
        mode, labels = _what(workspace, last)
        place = st.container()
        rest = {**_network(last), **_length(last, mode), **_more(last)}
        with place:  # last, because the first page of a server waits here for the losses
            loss = _loss(last)
        choices = Choices(mode=mode, labels=labels, **loss, **rest)
        problem = choices.problem()
        if problem:
            st.warning(problem, icon=":material/edit:")
        started = st.button(start, type="primary", icon=":material/play_arrow:", disabled=bool(problem))
        with st.expander("The same as a command"):
            line = ["labelmend", "train", "--workspace", str(workspace.folder), *choices.arguments()]
            st.code(shlex.join(line), language=None, wrap_lines=True)
    return choices if started else None


def _what(workspace: Workspace, last: Mapping[str, Any]) -> tuple[str, str]:
    left, right = st.columns(2)
    modes = list(_MODES)
    mode = left.radio(
        "What to train",
        modes,
        modes.index(last.get("mode", "probe")),
        format_func=lambda name: _MODES[name][0],
        captions=[about for _, about in _MODES.values()],
        key="mode",
        bind="query-params",
    )
    decided = workspace.ledger.count() > 0
    kinds = list(_LABELS)
    labels = right.radio(
        "Labels to train on",
        kinds,
        int(decided),
        format_func=lambda name: _LABELS[name][0],
        captions=[about for _, about in _LABELS.values()],
        key="labels",
        bind="query-params",
    )
    return str(mode), str(labels)


def _loss(last: Mapping[str, Any]) -> dict[str, Any]:
    tables = _losses.tables()
    names = list(tables)
    first = last.get("loss", "hill")
    left, right = st.columns(2)
    loss = left.selectbox("Loss", names, names.index(first) if first in names else 0, key="loss", bind="query-params")
    heads = list(HEADS)
    head = right.selectbox(
        "Head",
        heads,
        heads.index(last.get("head", "linear")),
        help="\n".join(f"- *{name}*: {about}" for name, about in HEADS.items()),
        key="head",
        bind="query-params",
    )
    rows = tables[loss]
    before = last.get("hyperparameters", {}) if loss == last.get("loss") else {}
    values = {}
    columns = st.columns(min(len(rows), 3)) if rows else []
    for place, row in enumerate(rows):
        with columns[place % len(columns)]:
            value = _losses.field(row, f"train.{loss}.{row.name}", before.get(row.name))
            if value != row.default:
                values[row.name] = value
    return {"loss": loss, "head": head, "hyperparameters": values}


def _network(last: Mapping[str, Any]) -> dict[str, Any]:
    backbone = last.get("backbone", {})
    name, weights, size = st.columns([2, 3, 1])
    return {
        "backbone": name.text_input(
            "Backbone",
            backbone.get("name", "resnet50"),
            key="backbone",
            bind="query-params",
            help="Any network that timm knows, by name: mobilenetv2_100, resnet50, vit_small_patch16_224 …",
        ).strip(),
        "weights": weights.text_input(
            "Weights",
            backbone.get("weights", _PRETRAINED),
            key="weights",
            bind="query-params",
            help="*pretrained* fetches timm's weights over the network; *random* starts from nothing; or the path "
            "of a .safetensors file on the machine that runs labelmend.",
        ).strip(),
        "image_size": size.number_input(
            "Image size (px)", 16, 2048, backbone.get("image_size", 224), 16, key="image_size", bind="query-params"
        ),
    }


def _length(last: Mapping[str, Any], mode: str) -> dict[str, Any]:
    same = last if last.get("mode") == mode else {}
    epochs, folds, _ = st.columns([2, 2, 2])
    least = 2 if mode == "probe" else 1
    return {
        "epochs": epochs.number_input(
            "Epochs",
            1,
            10_000,
            same.get("schedule", {}).get("epochs", DEFAULTS[mode]["schedule"]["epochs"]),
            key=f"{mode}.epochs",
            bind="query-params",
            help="How often training sees every image.",
        ),
        "folds": folds.number_input(
            "Folds",
            least,
            50,
            max(same.get("folds", _FOLDS[mode]), least),
            key=f"{mode}.folds",
            bind="query-params",
            help="Each image is judged by a network that did not learn from it: trained on the other folds. "
            "More folds judge better and take longer.",
        ),
    }


def _more(last: Mapping[str, Any]) -> dict[str, Any]:
    backbone = last.get("backbone", {})
    values: dict[str, Any] = {}
    with st.expander("More settings"):
        pairs = " ".join(f"{name}={value}" for name, value in backbone.get("arguments", {}).items())
        values["backbone_arguments"] = st.text_input(
            "Backbone arguments",
            pairs,
            key="backbone_arguments",
            placeholder="none",
            bind="query-params",
            help="name=value with a space between two, passed on to timm; pad_type=same for weights from TensorFlow.",
        )
        mean, std = backbone.get("mean"), backbone.get("std")
        optional: list[tuple[str, str, float, float | None, str]] = [
            ("pixel_mean", "Pixel mean", 0.01, mean[0] if mean else None, "that the network was trained with"),
            ("pixel_std", "Pixel deviation", 0.01, std[0] if std else None, "that the network was trained with"),
            (
                "planted",
                "Labels hidden",
                0.05,
                None,
                "share that the last fit does not see, to show what a missing one looks like; 0.1, 0 none",
            ),
            ("hold_out", "Held out", 0.05, None, "share of images that choose the best epoch; 0: validation does"),
            ("lr", "Learning rate", 0.0001, None, "the highest of the schedule"),
            ("batch_size", "Images a step", 1, None, "more are faster and need more memory"),
            ("seed", "Seed", 1, None, "of folds, order and first weights"),
        ]
        columns = [*st.columns(4), *st.columns(4)]
        for column, (name, label, step, first, about) in zip(columns, optional, strict=False):
            values[name] = column.number_input(
                label,
                0 if isinstance(step, int) else 0.0,
                value=first,
                step=step,
                format="%d" if isinstance(step, int) else "%g",
                placeholder="automatic",
                help=about,
                key=name,
                bind="query-params",
            )
        values["track"] = columns[-1].selectbox(
            "Tracked in",
            list(_TRACKERS),
            format_func=_TRACKERS.__getitem__,
            key="track",
            bind="query-params",
            help="also told of each epoch: TensorBoard, in the folder tensorboard of the workspace, or MLflow, where "
            "MLFLOW_TRACKING_URI says.",
        )
    return values


def _last_settings(workspace: Workspace) -> Mapping[str, Any]:
    """Return the settings of the newest run, nothing before the first; one recorded elsewhere is none of ours."""
    return next((record.settings for record in workspace.runs.all() if record.mode in _MODES), {})
