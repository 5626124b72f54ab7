"""What a machine can refuse: room on a disk, and the rights of root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real disk of 2 MiB (tmpfs)."""
    folder = Path(tempfile.mkdtemp(prefix="labelmend-disk-"))
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        folder.rmdir()
        pytest.skip("a small disk can only be mounted by root, outside of a container without that right")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def leave_room(small_disk: Path) -> Callable[[int], Path]:
    """Fill the small disk until so many bytes are left, and return the file that fills it."""

    def fill(room: int) -> Path:
        filler = small_disk / "filler"
        filler.write_bytes(bytes(max(0, shutil.disk_usage(small_disk).free - room)))
        return filler

    return fill


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="labelmend-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def without_root() -> Callable[[], AbstractContextManager[None]]:
    """Do something with the rights of an ordinary user, whom permissions stop."""

    @contextmanager
    def ordinary() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return ordinary
