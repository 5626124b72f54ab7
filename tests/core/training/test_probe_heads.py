"""The heads of a probe: those of a second loss beside the first, and the last, from which labels are hidden."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from scipy.special import expit, logit
from torch.utils.data import Dataset

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec
from labelmend_core.run_folder import RunFolder
from labelmend_core.training import RunSettings, Schedule
from labelmend_core.training.data import TrainingData
from labelmend_core.training.outcome import Outcome
from labelmend_core.training.probe import train_probe
from labelmend_core.types import LabelMatrix

SETTINGS = RunSettings(
    "probe", "bce", BackboneSpec("test_resnet", "random", image_size=32), Schedule(4, 1e-2), batch_size=20, folds=3
)
COMPANIONS = {"bce": {}, "hill": {"loss": "hill"}, "both": {"companions": ("hill", "bce")}, "hidden": {}}


class Colours(Dataset[torch.Tensor]):
    """Noise in which each of three classes brightens a channel."""

    def __init__(self, truth: np.ndarray) -> None:
        noise = np.random.default_rng(1).integers(0, 120, (len(truth), 3, 32, 32))
        self._pixels = torch.from_numpy((noise + 100 * truth[:, :, None, None]).astype(np.uint8))

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._pixels[index]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What runs with bce, with hill, with both, and with bce and labels hidden leave."""
    truth = (np.random.default_rng(0).random((120, 3)) < 0.4).astype(np.int8)
    data = TrainingData(Colours(truth), LabelMatrix.from_dense(truth), None, {}, ("red", "green", "blue"))
    fewer = data.labels.replace(np.arange(40), np.zeros(40, dtype=np.int64), np.zeros(40, dtype=np.int8))
    folder = tmp_path_factory.mktemp("heads")

    def run(name: str) -> Outcome:
        (folder / name).mkdir()
        return train_probe(
            RunFolder(folder / name),
            replace(SETTINGS, **COMPANIONS[name]),
            data,
            hidden=fewer if name == "hidden" else data.labels,
            features_folder=folder / "features",
            accelerator=Accelerator(cpu=True),
            progress=_silent,
        )

    return {name: run(name) for name in COMPANIONS}


def _silent(phase: str, done: int, total: int, *rest: object) -> None:
    """Training tells how far it is; nobody listens here."""


def test_p_is_the_average_in_log_odds_of_what_each_loss_says_of_unseen_images(found: dict[str, Outcome]) -> None:
    alone = [logit(found[loss].pred_probs.astype(np.float64)) for loss in ("bce", "hill")]
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    np.testing.assert_allclose(found["both"].pred_probs, expit(np.mean(alone, axis=0)), atol=1e-5)


def test_the_dynamics_are_those_of_the_run_s_own_loss(found: dict[str, Outcome]) -> None:
    np.testing.assert_array_equal(found["both"].dynamics.mean, found["bce"].dynamics.mean)


def test_hidden_labels_are_hidden_from_the_last_head_alone(found: dict[str, Outcome]) -> None:
    np.testing.assert_array_equal(found["hidden"].pred_probs, found["bce"].pred_probs)
    hidden, all_ = (found[name].dynamics.mean[:40, 0] for name in ("hidden", "bce"))
    assert hidden.mean() < all_.mean() - 0.02


def test_a_network_that_is_fine_tuned_has_no_companions() -> None:
    with pytest.raises(InputError, match="Expected mode probe for companions"):
        replace(SETTINGS, mode="finetune", companions=("hill",))


def test_a_companion_must_suit_the_head() -> None:
    with pytest.raises(InputError, match="loss takes cosines, which head 'linear' does not give"):
        replace(SETTINGS, companions=("aam",))
