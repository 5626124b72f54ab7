"""The arenas: photographs of 18 classes by their features, and scenes of handwritten digits by their pixels."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from labelmend_app.benchmarks.arena import Arena
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec, build_backbone
from labelmend_core.models.heads import HEADS
from labelmend_core.training import Augment, Progress, RunSettings, Schedule
from labelmend_core.training.features import extract_features
from labelmend_core.types import LabelMatrix
from labelmend_datasets.digits import make_scenes
from labelmend_datasets.formats import FORMATS
from labelmend_datasets.images import ImageTensors
from labelmend_datasets.noise import NOISES, add_spurious, drop_labels

# Kinds of noise, and the list of coco18 that has it.
LISTS = {"75 %": "0.75left", "40 %": "0.4left", "single": "single", "mixed": "mixed"}
PROBE_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
FINETUNE_RATES = (3e-3, 1e-2)
_SIDE = 32


def photographs(data: Path, settings: RunSettings, keep: Path | None, progress: Progress) -> Arena:
    """Return features of coco18's photographs, vectors or tokens as the settings' head takes them.

    Args:
        data: folder with images/, classes.txt and the lists.
        settings: mode "probe"; backbone and head say what the features are.
        keep: where pixels and features are kept, and used when they are there.
        progress: told how far it is.

    Raises:
        InputError: a file of `data` is missing.
    """
    needed = ["images", "classes.txt", "val_full.txt", *(f"train_{name}.txt" for name in LISTS.values())]
    absent = [name for name in needed if not (data / name).exists()]
    if absent:
        raise InputError(f"Expected {', '.join(needed)} in {data}, but {', '.join(absent)} are not there")
    read = FORMATS["list"].read
    sets = {name: read(data / f"train_{part}.txt", classes=data / "classes.txt") for name, part in LISTS.items()}
    validation = read(data / "val_full.txt", classes=data / "classes.txt")
    first = next(iter(sets.values()))
    paths = [data / "images" / path for path in [*first.paths, *validation.paths]]
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        spec = settings.backbone
        images = ImageTensors(paths, spec.image_size, folder / "pixels" / f"{spec.image_size}")
        images.check(range(len(paths)), lambda done, total: progress("reading the images", done, total))
        takes = HEADS[settings.head].takes
        features = extract_features(
            build_backbone(spec, takes=takes),
            images,
            folder / "features" / spec.fingerprint(takes),
            n_images=len(paths),
            device=torch.device("cpu"),
            progress=progress,
        )
        inputs = torch.from_numpy(np.array(features))
    return Arena(
        "photographs, probe",
        inputs,
        {name: made.given_labels for name, made in sets.items()},
        validation.given_labels.dense(),
        tuple(first.class_names),
        settings,
        PROBE_RATES,
    )


def digits(epochs: int, scenes: int, seed: int = 0) -> Arena:
    """Return scenes of handwritten digits with the same kinds of noise, to fine-tune a small network on.

    Args:
        epochs: passes over the scenes.
        scenes: how many; 600 others judge.
        seed: of the scenes and the noise.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        train = make_scenes(Path(folder) / "train", scenes, rng, _SIDE)
        judged = make_scenes(Path(folder) / "validation", 600, rng, _SIDE, samples="validation")
        paths = [
            Path(folder) / split / path
            for split, made in (("train", train), ("validation", judged))
            for path in made.paths
        ]
        images = ImageTensors(paths, _SIDE, Path(folder) / "pixels")
        inputs = torch.stack([images[index] for index in range(len(paths))])
    truth = train.given_labels
    labels: dict[str, LabelMatrix] = {
        "75 %": drop_labels(truth, 0.75, rng).labels,
        "40 %": drop_labels(truth, 0.4, rng).labels,
        "single": NOISES["single"].apply(truth, rng).labels,
        "mixed": add_spurious(drop_labels(truth, 0.5, rng).labels, 0.08, rng).labels,
    }
    settings = RunSettings(
        mode="finetune",
        loss="bce",
        backbone=BackboneSpec("test_resnet", "random", image_size=_SIDE),
        schedule=Schedule(epochs=epochs, lr=1e-2),
        batch_size=32,
        folds=1,
        augment=Augment(flip=False),
    )
    return Arena(
        "digits, finetune",
        inputs,
        labels,
        judged.given_labels.dense(),
        tuple(train.class_names),
        settings,
        FINETUNE_RATES,
    )
