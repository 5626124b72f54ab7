"""The guidelines of a workspace: `guidelines/<class_index>.md`, and example images in `<class_index>.examples.json`."""

import json
from pathlib import Path

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.files import lies_in, replacing

LONGEST = 20_000  # characters
MOST_EXAMPLES = 24


class Guidelines:
    """Reads and writes them; every file is whole or not there.

    Args:
        folder: of the workspace.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "guidelines"

    def text(self, class_index: int) -> str:
        """Return the Markdown of a class, empty where nobody has written any.

        Raises:
            WorkspaceError: somebody else has put a file there that is no text, or a link out of the workspace.
        """
        path = self._text_path(class_index)
        try:
            return path.read_bytes().decode("utf-8") if path.is_file() else ""
        except UnicodeDecodeError as error:
            raise WorkspaceError(f"Expected {path} to be UTF-8 text, but it is not; mend or remove it.") from error

    def write(self, class_index: int, text: str, before: str) -> None:
        """Keep the Markdown of a class.

        Args:
            class_index: the class.
            text: what it is to be.
            before: what the writer saw: what somebody else has written meanwhile is not lost.

        Raises:
            InputError: it is too long, or it is another one by now.
        """
        if len(text) > LONGEST:
            raise InputError(f"Expected guidelines of at most {LONGEST:,} characters, got {len(text):,}; shorten them.")
        if self.text(class_index) != before:
            raise InputError(
                "Expected the guidelines as they were when you began to write, but somebody has changed them since; "
                "copy your text, open them again and put it in."
            )
        with replacing(self._text_path(class_index)) as temporary:
            temporary.write_bytes(text.encode("utf-8"))  # with the line ends as they came

    def examples(self, class_index: int) -> list[int]:
        """Return the indices of the example images, in the order in which they were chosen.

        Raises:
            WorkspaceError: somebody else has put a file there that holds something else.
        """
        path = self._examples_path(class_index)
        try:
            found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        except (ValueError, RecursionError) as error:
            raise WorkspaceError(f"Expected {path} as labelmend wrote it, but it cannot be read: {error}.") from error
        if not isinstance(found, list) or not all(type(image) is int and image >= 0 for image in found):
            raise WorkspaceError(f"Expected {path} to be a list of image indices; mend or remove it.")
        return found

    def show_example(self, class_index: int, image: int, *, shown: bool) -> None:
        """Make an image an example of a class, or none any more.

        Raises:
            InputError: there are enough of them.
        """
        others = [other for other in self.examples(class_index) if other != image]
        if shown and len(others) >= MOST_EXAMPLES:
            raise InputError(f"Expected at most {MOST_EXAMPLES} examples of a class; remove one of them first.")
        with replacing(self._examples_path(class_index)) as temporary:
            temporary.write_text(json.dumps([*others, image] if shown else others), encoding="utf-8")

    def _text_path(self, class_index: int) -> Path:
        return self._own(f"{class_index:d}.md")

    def _examples_path(self, class_index: int) -> Path:
        return self._own(f"{class_index:d}.examples.json")

    def _own(self, name: str) -> Path:
        path = self._folder / name
        if not lies_in(path, self._folder):
            raise WorkspaceError(f"Expected {path} in the workspace, but a link leads out of it; remove the link.")
        return path
