"""The suggestions of a run by image: which images have some, and how many errors to expect in each."""

import pandas as pd
from sqlalchemy import Engine

from labelmend_core.ledger._rows import read_columns

_IMAGES = """
SELECT image_index, sum(error_probability) FROM suggestions{hint} WHERE run_id = :run_id
GROUP BY image_index ORDER BY image_index
"""
# Read through: by the index over run, image and class SQLite would look each row up apart, in four times the time.
_HINTS = {"sqlite": " NOT INDEXED"}


def images_of_run(engine: Engine, run_id: str) -> pd.DataFrame:
    """Return the images with suggestions of a run: image_index and expected, the sum of error_probability as ranked."""
    query = _IMAGES.format(hint=_HINTS.get(engine.dialect.name, ""))
    return pd.DataFrame(read_columns(engine, query, {"run_id": run_id}, ["image_index", "expected"]))
