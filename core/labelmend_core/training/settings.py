"""What was asked of a run, as it is stored with it and read back to resume it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from labelmend_core.errors import InputError
from labelmend_core.losses import Value, build_loss
from labelmend_core.metrics import UnobservedChoice
from labelmend_core.models import BackboneSpec
from labelmend_core.models.heads import check_head
from labelmend_core.training.schedule import Schedule

Mode = Literal["probe", "finetune"]
Precision = Literal["auto", "no", "bf16"]
_LARGEST_MAGNITUDE = 30  # of RandAugment


@dataclass(frozen=True)
class Augment:
    """How fine-tuning changes its images.

    Attributes:
        flip: mirror half of them.
        shift: move each by up to that share of its side.
        cutout: side of a grey square as a share of the image's; 0 is none.
        rand_augment: magnitude of two random operations, 1 to 30; 0 is none.
    """

    flip: bool = True
    shift: float = 0.1
    cutout: float = 0.0
    rand_augment: int = 0

    def __post_init__(self) -> None:
        for name, value in (("shift", self.shift), ("cutout", self.cutout)):
            if not 0 <= value < 1:
                raise InputError(f"Expected {name}, a share of the image's side, in [0, 1), got {value}")
        if not 0 <= self.rand_augment <= _LARGEST_MAGNITUDE:
            raise InputError(
                f"Expected a magnitude of RandAugment from 0 to {_LARGEST_MAGNITUDE}, got {self.rand_augment}"
            )


@dataclass(frozen=True)
class RunSettings:
    """One training run, ready to be repeated.

    Attributes:
        mode: "probe" trains a head on frozen features, "finetune" the whole network.
        loss, hyperparameters: see `labelmend_core.losses`.
        backbone: which network looks at the pixels.
        head, head_settings: see `labelmend_core.models.heads`.
        local_global: add local-global convolutions to the last stage of a ResNet, and train only that stage, them and
            the head (finetune).
        schedule: how long and how fast.
        batch_size: images a step, in all processes together.
        accumulate: parts that these go through the network in, one after another, for want of memory.
        precision: of the network in fine-tuning: "bf16", "no" (float32), or "auto": bf16 on a GPU that has it.
        compiled: train the network under `torch.compile` (finetune).
        sync_norms: batch norms take the statistics of all processes' images together, as one process would; else each
            takes those of its own (finetune on GPUs).
        folds: parts for out-of-sample probabilities; 1 trains once, and the suggestions then rest on the
            recorded dynamics.
        companions: losses, with their defaults, whose heads are trained beside on the same folds (probe): the
            out-of-sample probabilities are then the average of all in log-odds, which finds more errors than any alone.
        planted: share of the given present labels that the last fit does not see, so that what is recorded of it shows
            what a missing label looks like (`training.planting`). Without folds suggestions are calibrated by them, and
            by a quarter as many wrong ones, which are added. 0 trains on the labels as they are.
        hold_out: share of the training images that the last fit does not see and its best epoch is chosen on, so that
            the validation images measure only; 0 chooses on the validation images themselves.
        unobserved: what an unobserved cell of the labels is where they measure: "absent", "left_out", or "auto", see
            `labelmend_core.metrics.how_to_read_unobserved`.
        augment: of fine-tuning.
        track: names of the trackers that are told of each epoch, see `labelmend_core.trackers.TRACKERS`.
        seed: of folds, order, initial weights and augmentation.
    """

    mode: Mode
    loss: str
    backbone: BackboneSpec
    schedule: Schedule
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    head: str = "linear"
    head_settings: Mapping[str, Value] = field(default_factory=dict)
    local_global: bool = False
    batch_size: int = 256
    accumulate: int = 1
    precision: Precision = "auto"
    compiled: bool = False
    sync_norms: bool = False
    folds: int = 5
    companions: tuple[str, ...] = ()
    planted: float = 0.1
    hold_out: float = 0.0
    unobserved: UnobservedChoice = "auto"
    augment: Augment = field(default_factory=Augment)
    track: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"Expected mode to be one of {', '.join(get_args(Mode))}, got {self.mode!r}")
        for name, least in (("batch_size", 2), ("folds", 1), ("accumulate", 1)):
            if getattr(self, name) < least:
                raise InputError(f"Expected {name} of at least {least}, got {getattr(self, name)}")
        if self.precision not in get_args(Precision):
            raise InputError(
                f"Expected precision to be one of {', '.join(get_args(Precision))}, got {self.precision!r}"
            )
        if self.unobserved not in get_args(UnobservedChoice):
            raise InputError(
                f"Expected unobserved to be one of {', '.join(get_args(UnobservedChoice))}, got {self.unobserved!r}"
            )
        for name in ("planted", "hold_out"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise InputError(f"Expected {name}, a share, in [0, 0.5], got {getattr(self, name)}")
        if self.mode == "probe" and self.folds < 2:
            raise InputError("Expected at least 2 folds for a probe, whose suggestions rest on held-out images, got 1")
        # Now and not when the images are decoded.
        loss = build_loss(self.loss, reduction="batch", **self.hyperparameters)
        check_head(self.head, loss.input_kind, self.head_settings)
        if self.companions and self.mode != "probe":
            raise InputError("Expected mode probe for companions: fine-tuning trains one network")
        for companion in self.companions:
            check_head(self.head, build_loss(companion).input_kind, self.head_settings)
        if self.mode == "probe" and self.local_global:
            raise InputError(
                "Expected mode finetune for local-global convolutions: a probe leaves the backbone as it is"
            )

    @property
    def tau(self) -> float:
        """The probability above which the recorder flags an unobserved cell: SPLC's, or its default."""
        return float(self.hyperparameters.get("tau", 0.6))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON and TOML."""
        values = asdict(self)
        values["backbone"]["arguments"] = dict(self.backbone.arguments)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunSettings":
        """Return what `to_dict` was called on."""
        backbone = dict(values["backbone"])
        for name in ("mean", "std"):
            backbone[name] = tuple(backbone[name]) if backbone.get(name) else None
        rest = {name: value for name, value in values.items() if name not in ("backbone", "schedule", "augment")}
        for name in ("companions", "track"):
            rest[name] = tuple(values.get(name, ()))
        return cls(
            backbone=BackboneSpec(**backbone),
            schedule=Schedule(**values["schedule"]),
            augment=Augment(**values["augment"]),
            **rest,
        )
