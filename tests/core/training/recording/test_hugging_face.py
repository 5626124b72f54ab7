"""The callback in Hugging Face's real Trainer."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmend_core import record
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss


@pytest.fixture(autouse=True)
def transformers(monkeypatch):
    """Return the library, which must not take this repository's folder `datasets` for Hugging Face's."""
    here = Path(__file__).resolve().parents[4]
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry).resolve() != here])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        return pytest.importorskip("transformers", reason="transformers is not installed")


class Items(torch.utils.data.Dataset):
    """As people write it, with the row of the labels beside."""

    def __init__(self, problem, *, indexed=True):
        self.problem, self.indexed = problem, indexed

    def __len__(self):
        return len(self.problem.given)

    def __getitem__(self, i):
        item = {"features": self.problem.features[i], "labels": self.problem.given[i]}
        return {**item, "index": i} if self.indexed else item


class Classifier(torch.nn.Module):
    """What a network of transformers does: takes named inputs, returns loss and logits."""

    def __init__(self, network):
        super().__init__()
        self.network, self.loss, self.seen = network, build_loss("bce"), []

    def forward(self, features, labels):
        logits = self.network(features)
        if self.training:
            self.seen.append(logits.detach().sigmoid())
        return {"loss": self.loss(logits, labels), "logits": logits}


def _train(transformers, recording, network, data, folder):
    options = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=2, per_device_train_batch_size=100, learning_rate=0.05,
        remove_unused_columns=False, report_to=[], disable_tqdm=True, save_strategy="no", eval_strategy="epoch",
        logging_strategy="no", use_cpu=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.Trainer(
            network, options, train_dataset=data, eval_dataset=data, callbacks=[recording.for_hugging_face()]
        ).train()


def test_a_training_is_recorded_and_suggests(problem, new_network, tmp_path, transformers) -> None:
    network = Classifier(new_network())
    with record(problem.given) as recording:
        _train(transformers, recording, network, Items(problem), tmp_path)
    mean = torch.cat(network.seen).mean(dim=0).numpy()
    np.testing.assert_allclose(np.mean(recording.dynamics().mean, axis=0), mean, rtol=1e-5)
    assert recording.gradients()["count"].sum() == 2 * problem.given.numel()
    assert problem.hits(recording.issues(min_probability=0), "missing", 20) > 0.7


def test_the_network_is_left_as_it_was(problem, new_network, tmp_path, transformers) -> None:
    network = Classifier(new_network())
    with record(problem.given) as recording:
        _train(transformers, recording, network, Items(problem), tmp_path)
    with pytest.raises(TypeError, match="index"):
        network(problem.features[:2], problem.given[:2], index=torch.arange(2))


def test_items_without_an_index_are_refused(problem, new_network, tmp_path, transformers) -> None:
    with pytest.raises(InputError, match="remove_unused_columns=False"), record(problem.given) as recording:
        _train(transformers, recording, Classifier(new_network()), Items(problem, indexed=False), tmp_path)
