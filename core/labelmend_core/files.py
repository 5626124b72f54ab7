"""Writing so that a kill, an error or a full disk leaves the old file or the new one, never half of one."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelmend_core.errors import WorkspaceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; after the block it is synced and renamed to `path`.

    On any error the temporary file is removed and `path` stays as it was.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "labels.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("a.jpg,0")
        >>> target.read_text()
        'a.jpg,0'
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _sync(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into a `WorkspaceError` that names `path` and the cure."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise WorkspaceError(
                f"Expected room to write {path}, but the disk is full; nothing was changed there. "
                "Free some space and run the command again."
            ) from error
        if error.errno in _READ_ONLY:
            raise WorkspaceError(
                f"Expected to be able to write {path}, but it is read-only; nothing was changed there. "
                "Choose another folder or mend its permissions."
            ) from error
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
