"""Writing a whole folder so that a kill, an error or a full disk leaves no half of one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelmend_core.errors import InputError
from labelmend_core.files import explained


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """Give a temporary folder beside `destination`; after the block it is renamed to `destination`.

    On any error the temporary folder is removed and `destination` stays as it was.

    Raises:
        InputError: `destination` is there already and holds something, which is never overwritten.
        WorkspaceError: the disk is full or the folder cannot be written to.
    """
    require_new(destination)
    with explained(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        try:
            yield temporary
            temporary.chmod(0o755)  # mkdtemp makes it private
            temporary.replace(destination)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def require_new(destination: Path) -> None:
    """Refuse a folder that holds something, also before other files are written that belong to it.

    Raises:
        InputError: `destination` is there already and holds something.
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(
            f"Expected {destination} to be a new or an empty folder, but it holds something; name another."
        )
