"""What a machine can refuse: room on a disk, and the rights of root. And what tests hold results against."""

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


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes | None]]:
    """Return every file and folder below a folder, hidden ones included, so that nothing goes unseen."""

    def of(folder: Path) -> dict[str, bytes | None]:
        found = folder.rglob("*")
        return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}

    return of


@pytest.fixture(scope="session")
def average_precision_by_loops() -> Callable[[list[bool], list[float]], float]:
    """Return the definition of average precision: hits and scores of one ranking, to a number."""

    def by_loops(hits: list[bool], scores: list[float]) -> float:
        """Mean over the hits of the precision down to each; scores without ties."""
        ranked = [hit for _, hit in sorted(zip(scores, hits, strict=True), reverse=True)]
        found, total = 0, 0.0
        for rank, hit in enumerate(ranked, start=1):
            if hit:
                found += 1
                total += found / rank
        return total / found

    return by_loops
