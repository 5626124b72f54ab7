"""The benchmark of heat maps knows where the digits are, and which scenes it may be asked about."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmend_app.benchmarks import where
from labelmend_app.digits_demo import SIDE
from labelmend_app.importing import import_annotations
from labelmend_app.training import train_in
from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.workspace import Workspace
from labelmend_datasets.digits import Placement, make_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """20 scenes as the demo makes them, half of their labels dropped, and a network that has learned nothing."""
    folder = tmp_path_factory.mktemp("scenes")
    made = make_scenes(folder / "train", 20, np.random.default_rng(3), SIDE)
    lines = [f"{name},{' '.join(map(str, made.given_labels.positives(i)[::2]))}\n" for i, name in enumerate(made.paths)]
    (folder / "train.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "classes.txt").write_text("\n".join(made.class_names), encoding="utf-8")
    classes = folder / "classes.txt"
    source, images = folder / "train.txt", folder / "train"
    return import_annotations(folder / "workspace", source, images, format_name="list", classes=classes)


def _settings() -> RunSettings:
    backbone = BackboneSpec("test_resnet", "random", image_size=SIDE)
    return RunSettings("finetune", "bce", backbone, Schedule(epochs=1, lr=1e-3), folds=1, batch_size=10)


def _quiet(*_: Any) -> None:
    """Show nothing."""


def test_every_digit_is_looked_for_and_compared_with_chance(scenes: Workspace) -> None:
    run_id = train_in(scenes, _settings(), labels="given").run_id
    rows = where.run(scenes, run_id, images=99, seed=3, show=_quiet)
    there = make_scenes(Path(scenes.folder) / "again", 20, np.random.default_rng(3), SIDE).given_labels
    n_there = sum(len(there.positives(i)) for i in range(20))
    n_given = sum(len(scenes.dataset.given_labels.positives(i)) for i in range(20))
    assert (rows["all"].cells, rows["dropped"].cells) == (n_there, n_there - n_given)
    assert 0.06 < rows["all"].chance < 0.2  # a digit has about a ninth of its scene
    assert rows["all"].whole + rows["all"].cut <= 1


def test_other_scenes_than_the_demo_s_are_refused(scenes: Workspace) -> None:
    with pytest.raises(InputError, match=r"the scenes of 'labelmend demo'.*--seed"):
        where.run(scenes, "none", images=20, seed=4, show=_quiet)


def test_what_a_close_up_shows_of_a_square_is_its_share() -> None:
    square = Placement(digit=3, sample=0, left=8, top=8, size=8)
    assert where._seen(square, (0, 0, 32, 32)) == 1
    assert where._seen(square, (12, 0, 32, 32)) == 0.5
    assert where._seen(square, (12, 12, 32, 32)) == 0.25
    assert where._seen(square, (20, 20, 32, 32)) == 0
