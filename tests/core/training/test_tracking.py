"""Trackers are told of epochs; one that fails is left, and the training goes on."""

import math

import pytest
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from labelmend_core.errors import InputError
from labelmend_core.trackers import require_trackers
from labelmend_core.training import Epoch
from labelmend_core.training.tracking import log_epoch, log_result, tracked


class Notebook(GeneralTracker):
    """Keeps what it is told, until its network is gone."""

    name = "notebook"
    requires_logging_directory = False

    def __init__(self, *, ends_after: int = 1000):
        super().__init__()
        self.left, self.told, self.settings, self.finished = ends_after, [], {}, False

    @property
    def tracker(self):
        return self

    def start(self):
        pass

    def store_init_configuration(self, values):
        self.settings = values

    def log(self, values, step=None, **rest):
        if not self.left:
            raise ConnectionResetError("the network is gone")
        self.left -= 1
        self.told.append((step, values))

    def finish(self):
        self.finished = True


def _epoch(number: int, loss: float = 0.5) -> Epoch:
    return Epoch(number, loss, seconds=1.0, images_per_second=10.0, recorder_share=0.0, lr=0.1)


def test_a_tracker_is_told_settings_epochs_and_the_result(tmp_path) -> None:
    notebook = Notebook()
    accelerator = Accelerator(log_with=[notebook])
    with tracked(
        accelerator, {"loss": "bce", "schedule": {"epochs": 1, "sam": None}, "companions": ("hill",)}, tmp_path
    ):
        log_epoch(accelerator, _epoch(0))
        log_result(accelerator, {"map": 0.25, "cf1": None, "of1": 0.5, "epochs": 1})
    assert notebook.settings == {"loss": "bce", "schedule.epochs": 1, "companions": "('hill',)"}
    assert notebook.told == [
        (0, {"loss": 0.5, "lr": 0.1, "images_per_second": 10.0}),
        (0, {"final_map": 0.25, "final_of1": 0.5}),
    ]
    assert notebook.finished


def test_what_is_not_a_number_is_not_told(tmp_path) -> None:
    notebook = Notebook()
    accelerator = Accelerator(log_with=[notebook])
    with tracked(accelerator, {}, tmp_path):
        log_epoch(accelerator, _epoch(0, math.nan))
    assert "loss" not in notebook.told[0][1]


def test_one_that_fails_is_left_with_a_warning_and_the_others_go_on(tmp_path) -> None:
    gone, there = Notebook(ends_after=1), Notebook()
    accelerator = Accelerator(log_with=[gone, there])
    with tracked(accelerator, {}, tmp_path):
        log_epoch(accelerator, _epoch(0))
        with pytest.warns(UserWarning, match="notebook failed .* the network is gone"):
            log_epoch(accelerator, _epoch(1))
        log_epoch(accelerator, _epoch(2))
    assert [step for step, _ in gone.told] == [0]
    assert [step for step, _ in there.told] == [0, 1, 2]


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(InputError, match="tensorboard, mlflow"):
        require_trackers(["wandb"])
