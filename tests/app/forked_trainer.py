"""A real process for the tests to kill: it imports torch once and forks a training for each line of its input.

Lines in and out are JSON: `{"workspace": …, "settings": …, "run": null, "die_at": null, "processes": 1}` trains a new
run, or goes on with `run`, in one process or several, and is answered with the run and the number of moments at which
it could have died: progress that is told, and files just before and just after they are on the disk. At number `die_at`
it kills itself, as `kill -9`. With `fail_in` process number `fail_in` fails after its second batch.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet  # noqa: F401 - here once, not in each child
import sklearn.metrics  # noqa: F401
import timm.data.config  # noqa: F401
import torch

from labelmend_app.training import resume, train_in
from labelmend_core import files
from labelmend_core.errors import LabelmendError, WorkspaceError
from labelmend_core.training import RunSettings, help_train, progress
from labelmend_core.training.parts import Batch
from labelmend_core.training.progress import RunProgress
from labelmend_core.workspace import Workspace


class Moments:
    def __init__(self, die_at: int | None) -> None:
        self.seen, self._die_at = 0, die_at

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self._moment()
            result = function(*arguments)
            self._moment()
            return result

        return watched

    def _moment(self) -> None:
        if self.seen == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen += 1


def train(command: dict[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(1)
    moments = Moments(command["die_at"])
    files._sync = moments.around(files._sync)
    # A clock that stands: how often progress is written, and so the number of moments, would differ each time.
    progress.time = SimpleNamespace(monotonic=lambda: 1e6)  # type: ignore[assignment]
    RunProgress.__call__ = moments.around(RunProgress.__call__)  # type: ignore[method-assign]
    workspace = Workspace.open(Path(command["workspace"]))
    if command["run"] is None:
        record = train_in(workspace, RunSettings.from_dict(command["settings"]))
    else:
        record = resume(workspace, command["run"])
    workspace.close()
    return {"run": record.run_id, "metrics": dict(record.metrics), "moments": moments.seen}


def in_processes(command: dict[str, Any]) -> dict[str, Any]:
    """Train in the first of several processes, which are told of one another as a launcher does."""
    n, rank = command["processes"], 0
    if n > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "ACCELERATE_USE_CPU": "true"}
        os.environ |= {"WORLD_SIZE": f"{n}", "LOCAL_WORLD_SIZE": f"{n}", "OMP_NUM_THREADS": "1"}
        rank = next((rank for rank in range(1, n) if not os.fork()), 0)
        os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}"}
    if command["fail_in"] == rank:
        _fail_after_two_batches()
    if rank == 0:
        return train(command)
    torch.set_num_threads(1)
    help_train()
    os._exit(0)


def _fail_after_two_batches() -> None:
    taken = Batch.__init__
    numbers = iter(range(1_000))

    def fail(self: Batch, *arguments: Any) -> None:
        if next(numbers) == 2:
            raise WorkspaceError("Expected room on the disk, but it is full.")
        taken(self, *arguments)

    Batch.__init__ = fail  # type: ignore[method-assign]


def main() -> None:
    for line in sys.stdin:
        reading, writing = os.pipe()
        if os.fork():
            os.close(writing)
            with os.fdopen(reading) as answer:
                print(answer.read() or "null", flush=True)
            os.wait()
        else:
            os.close(reading)
            code = 0
            try:
                os.write(writing, json.dumps(in_processes(json.loads(line))).encode())
            except LabelmendError as error:
                os.write(writing, json.dumps({"failed": str(error)}).encode())
            except SystemExit:
                code = 2
            os._exit(code)


if __name__ == "__main__":
    main()
