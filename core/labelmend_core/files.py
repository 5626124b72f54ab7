"""Writing so that a kill, an error or a full disk leaves the old file or the new one, never half of one."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelmend_core.errors import WorkspaceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; after the block it is synced and renamed to `path`.

    The temporary path is an empty file with the suffix of `path`, by which some libraries choose what to write.
    On any error it is removed and `path` stays as it was. The new file's permissions follow the umask.

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
        temporary = beside(path)
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """Return a hidden path in the folder of `path`, with its suffix, that nothing has yet."""
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether `path` lies in `folder` once links are followed; `folder` itself may be one.

    A workspace that somebody else made may hold links that lead out of it.

    Example:
        >>> lies_in(Path("a/../../b"), Path("a"))
        False
    """
    return path.resolve().is_relative_to(folder.resolve())


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written to into a `WorkspaceError` that names `path` and the cure."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise WorkspaceError(
                f"Expected room to write {path}, but the disk is full; nothing was changed there. "
                "Free some space and run the command again."
            ) from error
        if not _concerns(error, path):
            raise
        if error.errno in _READ_ONLY:
            raise WorkspaceError(
                f"Expected to be able to write {path}, but it is read-only; nothing was changed there. "
                "Choose another folder or mend its permissions."
            ) from error
        if error.errno in _NO_FOLDER:
            raise WorkspaceError(
                f"Expected {path.parent} to be a folder or not there, but a file is in its way; nothing was changed. "
                "Choose another folder."
            ) from error
        raise


def _concerns(error: OSError, path: Path) -> bool:
    """Whether an error is about `path`, what is beside or above it, and not about a file read on the way."""
    if error.filename is None:
        return True
    failed = Path(error.filename).absolute()
    return failed.is_relative_to(path.absolute().parent) or path.absolute().is_relative_to(failed)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
