"""The folder of one cleaning project: its settings, its database, its runs.

`labelmend.toml` is written once; `workspace.db` holds what changes; `source/` keeps a copy of the
annotations as they came, so that an export does not depend on a file that somebody moved;
`runs/<id>/` holds what training left. Images stay where they are and are only read.
"""

import secrets
import shutil
import tomllib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import tomli_w

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.files import beside, explained, replacing
from labelmend_core.ledger import TRAIN, VALIDATION, Catalog, Ledger, Policy, Queue, Runs, open_engine, replay
from labelmend_core.types import AnnotatedDataset, LabelMatrix

SETTINGS = "labelmend.toml"
DATABASE = "workspace.db"
VERSION = 1


@dataclass(frozen=True)
class Settings:
    """What was decided at import.

    Attributes:
        format: name of the annotation format, as in `labelmend_datasets.formats.FORMATS`.
        image_folder: absolute path of the folder that the image paths are relative to.
        source: name of the annotation file (or folder) inside `source/annotations/`.
        classes: name of the class file inside `source/classes/`, empty when the format needs none.
    """

    format: str
    image_folder: str
    source: str
    classes: str = ""
    version: int = VERSION


class Workspace:
    """One cleaning project; open it with `Workspace.open`, make it with `Workspace.create`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self._engine = open_engine(folder / DATABASE)
        self.catalog = Catalog(self._engine)
        self.runs = Runs(self._engine)
        self.queue = Queue(self._engine)
        self.ledger = Ledger(self._engine)

    @classmethod
    def create(
        cls,
        folder: Path,
        dataset: AnnotatedDataset,
        *,
        format_name: str,
        image_folder: Path,
        source: Path,
        classes: Path | None = None,
        validation: AnnotatedDataset | None = None,
    ) -> "Workspace":
        """Make a workspace from annotations that were read; it appears whole or not at all.

        Raises:
            WorkspaceError: `folder` holds a workspace or something else already, or cannot be written.
            InputError: there is no image or no class, training and validation do not fit together, or the
                annotations cannot be copied.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "a workspace" if (folder / SETTINGS).exists() else "something else"
            raise WorkspaceError(
                f"Expected {folder} to be empty or not there, but it holds {what}; "
                "choose another folder with --workspace."
            )
        source = source.absolute()  # "." has no name
        settings = Settings(format_name, str(image_folder.resolve()), source.name, classes.name if classes else "")
        with explained(folder), _whole_or_absent(folder) as making:
            _fill(making, settings, dataset, validation, source, classes)
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Open a workspace.

        Raises:
            WorkspaceError: there is none, it cannot be written, or a newer labelmend made it.
        """
        path = folder / SETTINGS
        if not path.is_file():
            raise WorkspaceError(
                f"Expected a labelmend workspace in {folder}, found no {SETTINGS}; "
                "make one with 'labelmend import' or name its folder with --workspace."
            )
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            version = int(values["version"])
            if version > VERSION:
                raise WorkspaceError(
                    f"Expected a workspace of version {VERSION} or older in {folder}, got {version}; "
                    "it was made by a newer labelmend. Upgrade labelmend to open it."
                )
            settings = Settings(**values)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise WorkspaceError(f"Expected {path} as labelmend wrote it, but it cannot be read: {error}") from error
        if not (folder / DATABASE).is_file():
            # SQLite would make an empty one, and every decision would seem never to have been taken.
            raise WorkspaceError(f"Expected {folder / DATABASE}, but it is gone; restore it from a backup.")
        return cls(folder, settings)

    @cached_property
    def dataset(self) -> AnnotatedDataset:
        """Training images with their given labels."""
        dataset = self.catalog.dataset(TRAIN)
        if dataset is None:
            raise WorkspaceError(f"Expected images in {self.folder}, found none; import the annotations again.")
        return dataset

    @cached_property
    def validation(self) -> AnnotatedDataset | None:
        """Validation images with their labels, None when none were imported."""
        return self.catalog.dataset(VALIDATION)

    def corrected_labels(self, policy: Policy = Policy.LATEST) -> LabelMatrix:
        """Return the given labels with the decisions replayed over them, shape (N, K)."""
        return replay(self.dataset.given_labels, self.ledger.decisions(), policy)

    def image_path(self, image: int) -> Path:
        """Return where a training image (or, counted after those, a validation image) lies."""
        n = len(self.dataset.paths)
        if 0 <= image < n:
            return self.image_folder / self.dataset.paths[image]
        if self.validation is not None and n <= image < n + len(self.validation.paths):
            return self.image_folder / self.validation.paths[image - n]
        raise InputError(f"Expected an image index of this workspace, got {image}")

    @property
    def image_folder(self) -> Path:
        """The folder that image paths are relative to."""
        return Path(self.settings.image_folder)

    @property
    def source(self) -> Path:
        """The kept copy of the annotations as they came."""
        return self.folder / "source" / "annotations" / self.settings.source

    @property
    def source_classes(self) -> Path | None:
        """The kept copy of the class file, None when the format needs none."""
        name = self.settings.classes
        return self.folder / "source" / "classes" / name if name else None

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of one run's files."""
        return self.folder / "runs" / self.runs.get(run_id).run_id

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()


@contextmanager
def _whole_or_absent(folder: Path) -> Iterator[Path]:
    """Give a temporary folder whose content becomes that of `folder` after the block, or vanishes on an error."""
    there = folder.is_dir()
    making = folder / f".making.{secrets.token_hex(4)}" if there else beside(folder)
    making.mkdir(parents=True)
    try:
        yield making
        if there:  # the current folder or a mounted one cannot be replaced; the settings, which make it one, come last
            for part in sorted(making.iterdir(), key=lambda part: part.name == SETTINGS):
                part.rename(folder / part.name)
        else:
            making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _keep(source: Path, kept: Path, images: Container[str] = ()) -> None:
    """Copy a file, or all files of a folder but images; not their permissions: what is read-only is hard to remove."""
    if not source.is_dir():
        return _copy(source, kept)
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        name = file.relative_to(source)
        if str(source.resolve() / name) not in images:
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(file, kept / name)


def _copy(file: Path, kept: Path) -> None:
    try:
        content = file.open("rb")
    except OSError as error:
        raise InputError(f"Expected to be able to read {file}, got: {error.strerror}.") from error
    with content, kept.open("wb") as copy:
        shutil.copyfileobj(content, copy)


def _fill(
    folder: Path,
    settings: Settings,
    dataset: AnnotatedDataset,
    validation: AnnotatedDataset | None,
    source: Path,
    classes: Path | None,
) -> None:
    for name in ("source/annotations", "source/classes", "runs", "thumbnails", "exports"):
        (folder / name).mkdir(parents=True)
    splits = [dataset] if validation is None else [dataset, validation]
    images = {f"{settings.image_folder}/{path}" for split in splits for path in split.paths}
    _keep(source, folder / "source" / "annotations" / source.name, images)
    if classes is not None:
        _keep(classes, folder / "source" / "classes" / classes.name)
    engine = open_engine(folder / DATABASE)
    try:
        Catalog(engine).write(dataset, validation)
    finally:
        engine.dispose()
    with replacing(folder / SETTINGS) as settings_file:
        settings_file.write_text(tomli_w.dumps(asdict(settings)), encoding="utf-8")
