"""Where images lie: in a folder, in archives, or behind an address, under the same relative names.

A zip or tar file counts as a folder: `--images photos.zip` has `a.jpg` in it, and of a folder of shards, here or far
away, an image is named `000.tar/a.jpg`. What does not lie in a local folder as a file of its own is fetched into the
cache of `file_cache` when it is looked at.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labelmend_core.errors import ImageError
from labelmend_core.workspace import Workspace
from labelmend_datasets.images import archives
from labelmend_datasets.images.file_cache import shared_cache
from labelmend_datasets.images.remote import RemoteFolder, is_address


@dataclass(frozen=True)
class FetchedImage:
    """An image that has to be fetched before it is a file on this disk; it does not change.

    Attributes:
        place: folder, archive or address.
        name: relative to it.
    """

    place: str
    name: str

    def __str__(self) -> str:
        return f"{self.place}/{self.name}"

    def file(self) -> Path:
        """Return the image as a file, fetched if it is not in the cache.

        Raises:
            ImageError: there is none, or it cannot be fetched.
            WorkspaceError: the disk is full.
        """
        if not is_address(self.place):
            return self._from_archive()
        folder = _remote(self.place)
        shard, member = shard_of(self.name)
        if not member:
            return shared_cache().get(str(self), lambda path: folder.fetch(self.name, path))
        return shared_cache().get(str(self), lambda path: archives.opened(_shard(folder, shard)).extract(member, path))

    def _from_archive(self) -> Path:
        archive, member = archive_of(Path(self.place) / self.name)
        if archive is None:
            raise ImageError(f"Expected an image at {self}, but its archive is gone; is the image folder right?")
        status = archive.stat()
        key = f"{status.st_mtime_ns} {status.st_size} {self}"
        return shared_cache().get(key, lambda path: archives.opened(archive).extract(member, path))


ImageSource = Path | FetchedImage


def image_source(place: str | Path, name: str) -> ImageSource:
    """Return where an image is: its file, where it is one.

    Args:
        place: a folder, an archive or an address.
        name: relative to it, with forward slashes.
    """
    if is_address(str(place)):
        return FetchedImage(str(place), name)
    path = Path(place) / name
    return path if archive_of(path)[1] == "" else FetchedImage(str(place), name)


def image_file(source: ImageSource) -> Path:
    """Return an image as a file on this disk.

    Raises:
        ImageError: there is none, or it cannot be fetched.
        WorkspaceError: the disk is full.
    """
    return source if isinstance(source, Path) else source.file()


def workspace_image(workspace: Workspace, image: int) -> ImageSource:
    """Return where a training image (or, counted after those, a validation image) of a workspace is."""
    return image_source(workspace.settings.image_folder, workspace.image_name(image))


def require_place(place: str | Path) -> None:
    """Raise where there is no folder, no archive, or what reads the address is not installed.

    Raises:
        InputError: the sentence says which.
    """
    if is_address(str(place)):
        _remote(str(place))
    elif Path(place).is_file():
        archives.opened(Path(place))
    elif not Path(place).is_dir():
        raise ImageError(
            f"Expected a folder, a zip or a tar file of images at {place}, found none; is the path of --images right?"
        )


def archive_of(path: Path) -> tuple[Path | None, str]:
    """Return the archive that a path is or leads into, None without, and the name in it."""
    if any(end in str(path).lower() for end in archives.SUFFIXES):
        for parent in (path, *path.parents):
            if parent.suffix.lower() in archives.SUFFIXES and parent.is_file():
                return parent, "" if parent == path else path.relative_to(parent).as_posix()
    return None, ""


def shard_of(name: str) -> tuple[str, str]:
    """Return the file far away that a name means or leads into, and the name in it, empty where it leads into none.

    Example:
        >>> shard_of("train/000.tar/a.jpg"), shard_of("train/a.jpg")
        (('train/000.tar', 'a.jpg'), ('train/a.jpg', ''))
    """
    parts = name.split("/")
    for i, part in enumerate(parts[:-1], start=1):
        if part.lower().endswith((*archives.SUFFIXES, *archives.COMPRESSED)):
            return "/".join(parts[:i]), "/".join(parts[i:])
    return name, ""


def _shard(folder: RemoteFolder, name: str) -> Path:
    cache = shared_cache()
    return cache.get(folder.file(name), lambda path: folder.fetch(name, path, most=cache.limit_bytes // 2))


@lru_cache(16)
def _remote(address: str) -> RemoteFolder:
    return RemoteFolder(address)
