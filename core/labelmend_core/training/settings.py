"""What was asked of a run, as it is stored with it and read back to resume it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from labelmend_core.errors import InputError
from labelmend_core.losses import Value
from labelmend_core.models import BackboneSpec
from labelmend_core.training.fit import Schedule

Mode = Literal["probe", "finetune"]


@dataclass(frozen=True)
class RunSettings:
    """One training run, ready to be repeated.

    Attributes:
        mode: "probe" trains a head on frozen features, "finetune" the whole network.
        loss, hyperparameters: see `labelmend_core.losses`.
        backbone: which network looks at the pixels.
        schedule: how long and how fast.
        batch_size: images a step.
        folds: parts for out-of-sample probabilities; 1 trains once, and the suggestions then rest on the
            recorded dynamics.
        planted: share of the given present labels that training does not see, so that the run shows what a
            missing label looks like (`training.planting`); 0 trains on all of them.
        flip, shift: augmentation of fine-tuning: mirror images, and move them by that share of their side.
        seed: of folds, order, initial weights and augmentation.
    """

    mode: Mode
    loss: str
    backbone: BackboneSpec
    schedule: Schedule
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    batch_size: int = 256
    folds: int = 5
    planted: float = 0.1
    flip: bool = True
    shift: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"Expected mode to be one of {', '.join(get_args(Mode))}, got {self.mode!r}")
        for name, least in (("batch_size", 2), ("folds", 1)):
            if getattr(self, name) < least:
                raise InputError(f"Expected {name} of at least {least}, got {getattr(self, name)}")
        if not 0 <= self.planted <= 0.5:
            raise InputError(f"Expected a planted share in [0, 0.5], got {self.planted}")
        if self.mode == "probe" and self.folds < 2:
            raise InputError("Expected at least 2 folds for a probe, whose suggestions rest on held-out images, got 1")

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
        rest = {name: value for name, value in values.items() if name not in ("backbone", "schedule")}
        return cls(backbone=BackboneSpec(**backbone), schedule=Schedule(**values["schedule"]), **rest)
