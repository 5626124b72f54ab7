"""The process that holds the network: questions come in as lines of JSON, answers go out as lines of JSON.

Apart from the server, since a network needs seconds to import and to load, all the memory that it needs, and one core
at least, and a decision must never wait for any of that. It ends when the server does: its input ends then.
"""

import json
import os
import signal
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from labelmend_app.heat_maps.question import Question
from labelmend_core.errors import ImageError, InputError, LabelmendError
from labelmend_core.run_folder import RunFolder

if TYPE_CHECKING:
    import torch

    from labelmend_core.training.trained import Trained

NETWORKS = 2  # that are held at a time
_LEVELS = 255
_DRIFT = 0.05  # share by which another device or version of torch may change features, half precision included


class Looker:
    """Answers questions with the networks of runs, the last two of which it holds."""

    def __init__(self) -> None:
        self._networks: OrderedDict[str, Trained] = OrderedDict()

    def look(self, question: Question) -> dict[str, Any]:
        """Return the heat map as plain values.

        `values` are whole numbers from 0 to 255, row by row; `hottest` is a box (left, top, right, bottom) and `seen`
        the part of the image that the map covers, both in shares of the image's sides.

        Raises:
            InputError: the run's network cannot be had, is another one now, or cannot tell.
            ImageError: the picture cannot be read.
        """
        import torch

        from labelmend_core.models import make_heat_map
        from labelmend_datasets.images import ImageTensors

        trained = self._network(question.run)
        if question.class_name not in trained.class_names:
            raise InputError(f"Expected a class of the run, got {question.class_name!r}, which it does not know.")
        tensors = ImageTensors([Path(question.picture)], trained.settings.backbone.image_size)
        pixels = tensors[0]
        for problem in tensors.problems().values():
            raise ImageError(problem)
        with torch.inference_mode():
            _require_same_features(trained, pixels, question)
        index = trained.class_names.index(question.class_name)
        found = make_heat_map(trained.backbone, trained.head, pixels, index)
        height, width = found.values.shape
        return {
            "height": height,
            "width": width,
            "values": np.rint(found.values * _LEVELS).astype(int).ravel().tolist(),
            "hottest": found.hottest(),
            "seen": found.seen,
            "method": str(found.method),
        }

    def _network(self, run: str) -> "Trained":
        from labelmend_core.training.trained import network_from_checkpoint

        if run not in self._networks:
            self._networks[run] = network_from_checkpoint(RunFolder(Path(run)).model)
            while len(self._networks) > NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(run)
        return self._networks[run]


def _require_same_features(trained: "Trained", pixels: "torch.Tensor", question: Question) -> None:
    """A probe's head means nothing on another backbone than it learned on: compare with what that one saw."""
    kept = RunFolder(Path(question.run)).embeddings(question.image + 1)
    if trained.settings.mode != "probe" or kept is None:
        return
    features = trained.backbone(pixels[None])[0].float()
    now = (features if features.ndim == 1 else features.mean(dim=0)).numpy()
    then = kept[question.image].astype(np.float32)
    if now.shape != then.shape or np.linalg.norm(now - then) > _DRIFT * np.linalg.norm(then):
        raise InputError(
            "Expected the backbone to see this image as it did when the run was trained, but its features are others; "
            "have the weights file or the image been replaced since? Train again."
        )


def serve(questions: "SimpleQueue[str]", answers: IO[str]) -> NoReturn:
    """Answer each line; what a person can mend is a sentence, all else ends the process."""
    looker = Looker()
    while True:
        line = questions.get()
        answer: dict[str, Any]
        try:
            answer = {"found": looker.look(Question(**json.loads(line)))}
        except LabelmendError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _read(questions: "SimpleQueue[str]") -> None:
    """Hand the lines on; when there are no more, the server is gone, and nobody waits for what is being made."""
    for line in sys.stdin:
        questions.put(line)
    os._exit(0)


def main() -> None:
    """Serve on the standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; when it ends, so does the input
    questions: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(questions,), daemon=True).start()
    # Whatever a library prints must not come between the answers.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(questions, answers)


if __name__ == "__main__":
    main()
