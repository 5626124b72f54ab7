"""The callback in Lightning's real Trainer."""

import warnings

import numpy as np
import pytest
import torch

from labelmend_core import record
from labelmend_core.errors import InputError
from labelmend_core.losses import build_loss

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    pl = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
    from labelmend_core.training.recording.lightning import indices_of


class Classifier(pl.LightningModule):
    """As people write it; with `inner` the logits come from a submodule."""

    def __init__(self, network, *, inner):
        super().__init__()
        self.model, self.inner = network, inner
        self.loss = build_loss("bce")
        self.seen = []

    def forward(self, features):
        return self.model(features)

    def training_step(self, batch, batch_idx):
        features, targets, rows = batch
        logits = self.model(features) if self.inner else self(features)
        self.seen.append((rows, logits.detach()))
        return self.loss(logits, targets)

    def validation_step(self, batch, batch_idx):
        self(batch[0])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.05)


def _fit(module, callback, problem, folder, epochs=2):
    data = torch.utils.data.TensorDataset(problem.features, problem.given, torch.arange(len(problem.given)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about workers and loggers
        trainer = pl.Trainer(
            max_epochs=epochs, callbacks=[callback], accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        )  # fmt: skip
        loader = torch.utils.data.DataLoader(data, batch_size=100, shuffle=True)
        trainer.fit(module, loader, torch.utils.data.DataLoader(data, batch_size=300))


@pytest.mark.parametrize("inner", [False, True])
def test_a_training_is_recorded_and_suggests(problem, new_network, tmp_path, inner) -> None:
    module = Classifier(new_network(), inner=inner)
    with record(problem.given) as recording:
        _fit(module, recording.for_lightning(module="model" if inner else ""), problem, tmp_path)
    p = torch.zeros(2, *problem.given.shape)
    batches = len(module.seen) // 2
    for number, (rows, logits) in enumerate(module.seen):
        p[number // batches, rows] = logits.sigmoid()
    np.testing.assert_allclose(recording.dynamics().mean, p.mean(dim=0).numpy(), rtol=1e-5)
    assert recording.gradients()["count"].sum() == 2 * problem.given.numel()
    assert problem.hits(recording.issues(min_probability=0), "missing", 20) > 0.7


def test_a_module_that_is_not_called_is_named(problem, new_network, tmp_path) -> None:
    with (
        pytest.raises(InputError, match="name the submodule that returns the logits"),
        record(problem.given) as recording,
    ):
        _fit(Classifier(new_network(), inner=True), recording.for_lightning(), problem, tmp_path)


@pytest.mark.parametrize("batch", [{"image": 1}, [torch.zeros(2), "a.jpg"], torch.zeros(2)])
def test_a_batch_without_an_index_is_refused(batch) -> None:
    with pytest.raises(InputError, match="rows of the labels"):
        indices_of(batch)
