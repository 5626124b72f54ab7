"""The images that a source names: each once, and none outside the image folder."""

import re
from pathlib import Path, PureWindowsPath

from labelmend_core.errors import AnnotationError
from labelmend_datasets.formats._source import fault, shown

# A lone surrogate (JSON may hold one) cannot be written to any file system or database.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class ImageIndex:
    """The images of a source in the order of their first appearance: name, path, and index by path."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._seen: dict[str, tuple[int, str]] = {}
        self.image_ids: list[str] = []

    @property
    def paths(self) -> list[str]:
        """The path of each image relative to the image folder."""
        return list(self._seen)

    def add(self, name: str, record: str) -> int:
        """Return the index of a new image.

        Raises:
            AnnotationError: the name leaves the image folder, or an earlier record has the image.
        """
        path = image_path(name, self._source, record)
        if path in self._seen:
            got = f"{shown(name)} again (first: {self._seen[path][1]})"
            raise fault(self._source, record, "every image once", got, "merge the two records into one")
        return self._append(name, path, record)

    def add_or_find(self, name: str, record: str) -> int:
        """Return the index of an image that several records may name.

        Raises:
            AnnotationError: the name leaves the image folder.
        """
        path = image_path(name, self._source, record)
        return self._seen[path][0] if path in self._seen else self._append(name, path, record)

    def require_some(self) -> None:
        """Raise an `AnnotationError` if no record named an image."""
        if not self.image_ids:
            raise AnnotationError(
                f"{self._source}: expected at least one image, got an empty list; is it the right one?"
            )

    def _append(self, name: str, path: str, record: str) -> int:
        self._seen[path] = (len(self.image_ids), record)
        self.image_ids.append(name)
        return len(self.image_ids) - 1


def image_path(name: str, source: Path, record: str) -> str:
    """Return the path of an image relative to the image folder, with forward slashes.

    Raises:
        AnnotationError: the name is empty, absolute or escapes the folder, or holds a backslash or control character.

    Example:
        >>> image_path("./train/a.jpg", Path("labels.txt"), "line 1")
        'train/a.jpg'
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts:
        raise fault(source, record, "the name of an image", shown(name), "write the name of its file")
    if _UNUSABLE.search(name):
        raise fault(source, record, "an image name in plain characters", shown(name), "rename the file")
    if ".." in parts or name.startswith("/") or "\\" in name or (name[1:2] == ":" and PureWindowsPath(name).drive):
        got = f"{shown(name)}, which escapes the image folder or uses backslashes"
        cure = "write it relative to that folder, with forward slashes and without '..'"
        raise fault(source, record, "an image inside the image folder", got, cure)
    return "/".join(parts)
