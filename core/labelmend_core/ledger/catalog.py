"""Images, classes and given labels in the database."""

from collections.abc import Mapping
from itertools import zip_longest

import numpy as np
from sqlalchemy import Connection, Engine, bindparam, select

from labelmend_core.errors import InputError
from labelmend_core.ledger import schema
from labelmend_core.ledger.engine import writing
from labelmend_core.types import AnnotatedDataset, LabelMatrix

TRAIN, VALIDATION = "train", "validation"
_BLOCK = 50_000


class Catalog:
    """What the source annotations said; written once, at import."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(self, train: AnnotatedDataset, validation: AnnotatedDataset | None = None) -> None:
        """Store both splits in one transaction; validation images follow the training images in index.

        Raises:
            InputError: there is no image or no class, or the splits have different classes or share an image.
        """
        if not train.image_ids or not train.class_names:
            raise InputError(
                f"Expected at least one image and one class, got {len(train.image_ids)} images and "
                f"{len(train.class_names)} classes; is the annotation file empty?"
            )
        if validation is not None:
            _check_splits(train, validation)
        with writing(self._engine).begin() as connection:
            connection.execute(
                schema.classes.insert(), [{"class_index": k, "name": name} for k, name in enumerate(train.class_names)]
            )
            _insert_split(connection, train, TRAIN, first=0)
            if validation is not None:
                _insert_split(connection, validation, VALIDATION, first=len(train.image_ids))

    def dataset(self, split: str = TRAIN) -> AnnotatedDataset | None:
        """Return the images and given labels of one split, None when it has no image."""
        table = schema.images
        query = select(table.c.image_index, table.c.image_id, table.c.path).where(table.c.split == split)
        with self._engine.connect() as connection:
            names = connection.execute(select(schema.classes.c.name).order_by(schema.classes.c.class_index))
            class_names = tuple(names.scalars())
            rows = connection.execute(query.order_by(table.c.image_index)).all()
            if not rows:
                return None
            indices, image_ids, paths = zip(*rows, strict=True)
            labels = _labels(connection, indices[0], (len(rows), len(class_names)))
        return AnnotatedDataset(image_ids, paths, class_names, labels)

    def record_problems(self, problems: Mapping[int, str]) -> None:
        """Remember why images (by index) cannot be read."""
        if not problems:
            return
        table = schema.images
        statement = table.update().where(table.c.image_index == bindparam("index")).values(problem=bindparam("why"))
        with writing(self._engine).begin() as connection:
            connection.execute(statement, [{"index": index, "why": why} for index, why in problems.items()])

    def problems(self) -> dict[int, str]:
        """Return the images (by index) that cannot be read, and why."""
        table = schema.images
        query = select(table.c.image_index, table.c.problem).where(table.c.problem.is_not(None))
        with self._engine.connect() as connection:
            return {row.image_index: row.problem for row in connection.execute(query.order_by(table.c.image_index))}


def _check_splits(train: AnnotatedDataset, validation: AnnotatedDataset) -> None:
    pairs = zip_longest(train.class_names, validation.class_names, fillvalue="(none)")
    differs = next(((k, ours, theirs) for k, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
    if differs:
        raise InputError(
            "Expected the validation file to have the classes of the training file in the same order, got {2} instead "
            "of {1} as class {0}; give both the same --classes file.".format(*differs)
        )
    shared = set(train.image_ids) & set(validation.image_ids)
    if shared:
        raise InputError(
            f"Expected no image in both training and validation, got {len(shared)}, the first {min(shared)}; "
            "a validation image must not be trained on."
        )


def _insert_split(connection: Connection, dataset: AnnotatedDataset, split: str, first: int) -> None:
    for start in range(0, len(dataset.image_ids), _BLOCK):
        block = range(start, min(start + _BLOCK, len(dataset.image_ids)))
        connection.execute(
            schema.images.insert(),
            [
                {"image_index": first + i, "image_id": dataset.image_ids[i], "path": dataset.paths[i], "split": split}
                for i in block
            ],
        )
    rows, columns, values = dataset.given_labels.cells()
    for start in range(0, rows.size, _BLOCK):
        cells = slice(start, start + _BLOCK)
        connection.execute(
            schema.given_labels.insert(),
            [
                {"image_index": first + row, "class_index": column, "value": value}
                for row, column, value in zip(
                    rows[cells].tolist(), columns[cells].tolist(), values[cells].tolist(), strict=True
                )
            ],
        )


def _labels(connection: Connection, first: int, shape: tuple[int, int]) -> LabelMatrix:
    table = schema.given_labels
    inside = table.c.image_index.between(first, first + shape[0] - 1)
    query = select(table.c.image_index, table.c.class_index, table.c.value).where(inside)
    query = query.order_by(table.c.image_index, table.c.class_index)
    # np.array would ask every row for its array interface first, which takes twenty times as long.
    cells = np.fromiter((value for row in connection.execute(query) for value in row), dtype=np.int64).reshape(-1, 3)
    return LabelMatrix.from_cells(cells[:, 0] - first, cells[:, 1], cells[:, 2], shape)
