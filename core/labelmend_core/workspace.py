"""The folder of one cleaning project: its settings, its database, its runs.

`labelmend.toml` is written once; `workspace.db`, or a schema on a PostgreSQL server, holds what changes;
`source/` keeps a copy of the annotations as they came, so that an export does not depend on a file that
somebody moved; `runs/<id>/` holds what training left. Images stay where they are and are only read.
"""

import secrets
import shutil
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from labelmend_core.errors import InputError, WorkspaceError
from labelmend_core.files import beside, explained
from labelmend_core.ledger import (
    TRAIN,
    VALIDATION,
    Audits,
    Catalog,
    Database,
    DoubleReview,
    Ledger,
    Policy,
    Queue,
    Runs,
    ServerDatabase,
    Trail,
    change_stamp,
    open_engine,
    replay,
)
from labelmend_core.ledger.cells import Cells
from labelmend_core.ledger.postgresql import drop_schema, new_schema, server_url
from labelmend_core.selections import Selections
from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace_settings import (
    DATABASE,
    SETTINGS,
    VERSION,
    Settings,
    on_server,
    place_of_database,
    read_settings,
    write_settings,
)

__all__ = ["DATABASE", "SETTINGS", "VERSION", "Settings", "Workspace"]


class Workspace:
    """One cleaning project; open it with `Workspace.open`, make it with `Workspace.create`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self._engine = open_engine(place_of_database(folder, settings), make=False)
        self.catalog = Catalog(self._engine)
        self.runs = Runs(self._engine)
        self.queue = Queue(self._engine)
        self.audits = Audits(self._engine)
        self.ledger = Ledger(self._engine)
        self.trail = Trail(self._engine)
        self.double_review = DoubleReview(self._engine)
        self.cells = Cells(self._engine)
        self.selections = Selections(folder / "selections")

    @classmethod
    def create(
        cls,
        folder: Path,
        dataset: AnnotatedDataset,
        *,
        format_name: str,
        image_folder: Path | str,
        source: Path,
        classes: Path | None = None,
        validation: AnnotatedDataset | None = None,
    ) -> "Workspace":
        """Make a workspace from annotations that were read; it appears whole or not at all.

        Raises:
            WorkspaceError: `folder` holds a workspace or something else already, or it or the server cannot be
                written.
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
        place = str(image_folder) if "://" in str(image_folder) else str(Path(image_folder).resolve())
        settings = Settings(format_name, place, source.name, classes.name if classes else "")
        if server_url() is not None:
            settings = on_server(settings, new_schema(folder))
        with explained(folder), _whole_or_absent(folder) as making:
            _fill(making, settings, dataset, validation, source, classes)
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Open a workspace.

        Raises:
            WorkspaceError: there is none, it cannot be written, a newer labelmend made it, or its database lies
                elsewhere than `LABELMEND_DATABASE_URL` says.
        """
        settings = read_settings(folder)
        try:
            return cls(folder, settings)
        except UnicodeDecodeError as error:  # SQLite quotes what it found where a name of its own should be
            raise WorkspaceError(
                f"Expected {folder / DATABASE} to be a labelmend database, but it is damaged; restore it from a backup."
            ) from error

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
        """Return where a training image (or, counted after those, a validation image) lies in a local folder.

        Those in an archive or behind an address have to be fetched: `labelmend_datasets.images.workspace_image`.
        """
        return self.image_folder / self.image_name(image)

    def image_name(self, image: int) -> str:
        """Return the path of a training image (or, counted after those, a validation image) in the image folder."""
        n = len(self.dataset.paths)
        if 0 <= image < n:
            return self.dataset.paths[image]
        if self.validation is not None and n <= image < n + len(self.validation.paths):
            return self.validation.paths[image - n]
        raise InputError(f"Expected an image index of this workspace, got {image}")

    @property
    def image_folder(self) -> Path:
        """The folder that image paths are relative to."""
        return Path(self.settings.image_folder)

    @property
    def source(self) -> Path:
        """The kept copy of the annotations as they came."""
        return self.folder / "source" / "annotations" / self.settings.source

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of one run's files."""
        return self.folder / "runs" / self.runs.get(run_id).run_id

    def change_stamp(self) -> tuple[int, ...]:
        """Return numbers that are others whenever anything in the database is: what a cache goes by."""
        return change_stamp(self._engine)

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
    url = server_url() if settings.schema else None
    database: Database = folder / DATABASE if url is None else ServerDatabase(url, settings.schema)
    with _filled_or_dropped(database):
        engine = open_engine(database)
        try:
            Catalog(engine).write(dataset, validation)
        finally:
            engine.dispose()
        write_settings(folder, settings)


@contextmanager
def _filled_or_dropped(database: Database) -> Iterator[None]:
    """Remove a new schema when what is done in the block fails; a file goes with its folder."""
    with ExitStack() as on_failure:
        if isinstance(database, ServerDatabase):
            on_failure.callback(drop_schema, database)
        yield
        on_failure.pop_all()
