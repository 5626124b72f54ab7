"""The hyperparameters that the papers and their code use, by name, and the curves that belong beside one another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelmend_core.losses._hyperparameter import Value


@dataclass(frozen=True, slots=True)
class Preset:
    """One loss as a paper or its code sets it.

    Attributes:
        loss: A key of `LOSSES`.
        name: What it is, unique for the loss.
        source: Where the values stand.
        hyperparameters: By name; the rest keep their default.
    """

    loss: str
    name: str
    source: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PresetFigure:
    """Curves to be seen together.

    Attributes:
        name: What they show.
        source: Where the comparison or its values come from.
        curves: Loss and hyperparameters of each; a loss may be there more than once.
        axis: "pred_prob" or "logit".
        epoch: 0-based.
        same_height: Whether their shapes are to be compared, since their scales differ.
    """

    name: str
    source: str
    curves: tuple[tuple[str, Mapping[str, Value]], ...]
    axis: str = "pred_prob"
    epoch: int = 1
    same_height: bool = False


_ASL = "Ridnik et al. 2021, arXiv 2009.14119"
_AAM = "Prokofiev and Sovrasov 2022, arXiv 2209.06585"
_CSL = "Ben-Baruch et al. 2022, arXiv 2110.10955"
_EPR = "Cole et al. 2021, arXiv 2106.09708"
_LL = "Kim et al. 2022, arXiv 2206.03740"
_PU = "Yuan et al. 2023, arXiv 2306.16016"
_SPLC = "Zhang et al. 2021, arXiv 2112.07368"
_EM = "Zhou et al. 2022, arXiv 2203.16219"

_PLAIN: Mapping[str, Value] = {"gamma_neg": 0.0, "gamma_pos": 0.0, "clip": 0.0, "detach_weight": False}
_SOURCE_FLOOR: Mapping[str, Value] = {"floor": 1e-5}
_AAM_COCO: Mapping[str, Value] = {"scale": 23.0, "margin": 0.0, "balance": 0.7}
_AAM_VOC: Mapping[str, Value] = {"scale": 17.0, "margin": 0.0, "balance": 0.7}

PRESETS: tuple[Preset, ...] = (
    Preset("aam", "paper's code: s 30, m .35, k .8", f"{_AAM}, the defaults of the class"),
    Preset("aam", "COCO: s 23, m 0, k .7", f"{_AAM}, the released configuration", _AAM_COCO),
    Preset("aam", "VOC: s 17, m 0, k .7", f"{_AAM}, the released configuration", _AAM_VOC),
    Preset("an_ls", "authors' code: 1e-5 in the logarithm", f"{_EPR}, the authors' code", _SOURCE_FLOOR),
    Preset("asl", "training script: γ− 4, γ+ 0, clip .05", f"{_ASL}, the authors' training script"),
    Preset("asl", "class: γ− 4, γ+ 1, clip .05", f"{_ASL}, the defaults of the authors' class", {"gamma_pos": 1.0}),
    Preset(
        "asl",
        "focal loss: γ− 2, γ+ 2, clip 0",
        f"{_ASL}, what it becomes without asymmetry",
        {**_PLAIN, "gamma_neg": 2.0, "gamma_pos": 2.0},
    ),
    Preset("asl", "cross-entropy: γ− 0, γ+ 0, clip 0", f"{_ASL}, what it becomes without focusing", _PLAIN),
    Preset("asl_single_label", "paper's code: γ− 4, γ+ 0, ε .1", f"{_ASL}, the defaults of the class"),
    Preset("csl", "selective", f"{_CSL}, the mode that gives the loss its name", {"mode": "selective"}),
    Preset("csl", "ignore", f"{_CSL}, unknown cells left out", {"mode": "ignore"}),
    Preset("csl", "negative", f"{_CSL}, unknown cells as negatives", {"mode": "negative"}),
    Preset("em", "authors' code: 1e-5 in the logarithm", f"{_EM}, the authors' code", _SOURCE_FLOOR),
    Preset("em_apl", "authors' code: 1e-5 in the logarithm", f"{_EM}, the authors' code", _SOURCE_FLOOR),
    Preset("epr", "VOC: 1.5 present", f"{_EPR}, expected positives an image", {"expected_positives": 1.5}),
    Preset("epr", "COCO: 2.9 present", f"{_EPR}, expected positives an image", {"expected_positives": 2.9}),
    Preset("epr", "NUS-WIDE: 1.9 present", f"{_EPR}, expected positives an image", {"expected_positives": 1.9}),
    Preset("epr", "CUB: 31.4 present", f"{_EPR}, expected positives an image", {"expected_positives": 31.4}),
    Preset("focal", "paper: γ 2", "Lin et al. 2017, arXiv 1708.02002"),
    Preset("focal_margin", "paper: margin 1, γ 2", f"{_SPLC}, SPLC before it relabels"),
    Preset("hill", "paper: λ 1.5, margin 1, γ 2", f"{_SPLC}, for every share of missing labels"),
    Preset("ll_cp", "paper: Δ .002", f"{_LL}, the authors' code as it is meant"),
    Preset("ll_ct", "paper: Δ .002", f"{_LL}, the authors' code"),
    Preset("ll_r", "paper: Δ .002", f"{_LL}, the authors' code"),
    Preset("pu_mlc", "COCO, 10 % known: α 1, γ .55, mixup", f"{_PU}, the authors' code", {"mixup": 1.0}),
    Preset(
        "pu_mlc",
        "VOC 2007, 10 % known: α 2, γ .85, mixup",
        f"{_PU}, the authors' code",
        {"alpha": 2.0, "gamma": 0.85, "mixup": 1.0},
    ),
    Preset("role", "VOC: 1.5 present", f"{_EPR}, expected positives an image", {"expected_positives": 1.5}),
    Preset("role", "COCO: 2.9 present", f"{_EPR}, expected positives an image", {"expected_positives": 2.9}),
    Preset("role", "NUS-WIDE: 1.9 present", f"{_EPR}, expected positives an image", {"expected_positives": 1.9}),
    Preset("role", "CUB: 31.4 present", f"{_EPR}, expected positives an image", {"expected_positives": 31.4}),
    Preset("splc", "COCO, 40 % or one label left: τ .6", f"{_SPLC}, the authors' training script"),
    Preset("splc", "COCO, 75 % left: τ .65", f"{_SPLC}, the authors' training script", {"tau": 0.65}),
    Preset("wan", "authors' code: 1e-5 in the logarithm", f"{_EPR}, the authors' code", _SOURCE_FLOOR),
)

FIGURES: tuple[PresetFigure, ...] = (
    PresetFigure(
        "ASL: what focusing and shifting do",
        f"{_ASL}, the analysis of gradients; its shift of .2 is not taken from the paper",
        (
            ("bce", {}),
            ("focal", {}),
            ("asl", {"detach_weight": False}),
            ("asl", {**_PLAIN, "clip": 0.2}),
        ),
    ),
    PresetFigure(
        "Hill and SPLC beside what they mend",
        f"{_SPLC}, the losses that it compares",
        (("bce", {}), ("focal", {}), ("hill", {}), ("splc", {})),
    ),
    PresetFigure(
        "AAM on COCO and on VOC",
        f"{_AAM}, the released configurations",
        (("asl", {}), ("aam", _AAM_COCO), ("aam", _AAM_VOC)),
        axis="logit",
        same_height=True,
    ),
    PresetFigure(
        "PU-MLC on COCO and on VOC",
        f"{_PU}, the authors' code",
        (("bce", {}), ("pu_mlc", {}), ("pu_mlc", {"alpha": 2.0, "gamma": 0.85})),
        axis="logit",
        same_height=True,
    ),
    PresetFigure(
        "One label an image",
        f"{_EPR}; {_EM}; {_LL}",
        (("bce", {}), ("wan", {}), ("an_ls", {}), ("role", {}), ("em_apl", {}), ("ll_r", {}), ("ll_ct", {})),
        epoch=5,
    ),
    PresetFigure(
        "CSL: ignore, negative, selective",
        f"{_CSL}, its modes",
        (("csl", {}), ("csl", {"mode": "ignore"}), ("csl", {"mode": "negative"})),
    ),
)


def presets_of(loss: str) -> dict[str, Preset]:
    """Return the presets of one loss by their names.

    Example:
        >>> list(presets_of("splc"))
        ['COCO, 40 % or one label left: τ .6', 'COCO, 75 % left: τ .65']
    """
    return {preset.name: preset for preset in PRESETS if preset.loss == loss}
