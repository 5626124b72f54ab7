"""How all processes of a training end when one fails: the first one says why, in one sentence, the others are silent.

Whoever waits for another process in a collective call waits in vain once that one is gone. So the reason is left in the
run's folder, where each process looks every second.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import distributed

from labelmend_core.errors import LabelmendError
from labelmend_core.training.progress import Stopped

_FILE = "failed"
_LOOK_EVERY = 1.0  # seconds
WRONG_INPUT = 2  # exit code, of the command line too


def forget_failure(folder: Path) -> None:
    """Forget that a run failed before; done by the first process before the others look."""
    (folder / _FILE).unlink(missing_ok=True)


@contextmanager
def failing_together(folder: Path, ended: Callable[[], None]) -> Iterator[None]:
    """End this process when another one fails in the block, and the others when this one does.

    Args:
        folder: of the run, which all processes see.
        ended: called before this process is ended because another one failed.

    Raises:
        SystemExit: another process was the first to fail and has said why.
        LabelmendError: another process is gone and left no reason.
    """
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder / _FILE, over, ended), name="other processes", daemon=True)
    watch.start()
    try:
        yield
    except Stopped:  # by all of them
        raise
    except Exception as error:
        over.set()
        if not _is_first(folder / _FILE):
            ended()
            raise SystemExit(WRONG_INPUT) from error
        with when_others_are_gone():
            raise
    finally:
        over.set()


@contextmanager
def when_others_are_gone() -> Iterator[None]:
    """Say in the block's errors that another process is gone, where they come of that.

    Raises:
        LabelmendError: it is.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise LabelmendError(
            f"Expected all {os.environ.get('WORLD_SIZE')} processes of the training to go on, but one is gone; was it "
            "killed for want of memory? Go on with --resume."
        ) from error


def _is_first(path: Path) -> bool:
    try:
        with path.open("x"):
            return True
    except FileExistsError:
        return False


def _watch(path: Path, over: threading.Event, ended: Callable[[], None]) -> None:
    while not over.wait(_LOOK_EVERY):
        if path.exists():
            ended()
            os._exit(WRONG_INPUT)  # the main thread may wait for the one that failed, and never hear of it
