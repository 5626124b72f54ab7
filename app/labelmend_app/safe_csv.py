"""Tables as CSV that no spreadsheet computes."""

import csv

import pandas as pd

from labelmend_core.spreadsheet import escaped

TIME = "%Y-%m-%dT%H:%M:%SZ"  # in UTC


def safe_csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Return a table as CSV that no spreadsheet computes; times are in UTC.

    A text that a spreadsheet would take for a formula begins with an apostrophe, which
    `labelmend_core.spreadsheet.unescaped` takes away.
    """

    def safe(value: object) -> object:
        return escaped(value) if isinstance(value, str) else value

    texts = [name for name in frame if _holds_text(frame[name])]
    safe_frame = frame.assign(**{name: frame[name].map(safe) for name in texts})
    # Before Python 3.13 a carriage return gets no quotes of its own, and what follows it would begin a row.
    breaks = any(safe_frame[name].astype(str).str.contains("\r", regex=False).any() for name in texts)
    quoting = csv.QUOTE_NONNUMERIC if breaks else csv.QUOTE_MINIMAL
    table: str = safe_frame.to_csv(index=False, header=header, lineterminator="\n", date_format=TIME, quoting=quoting)
    return table


def _holds_text(column: pd.Series) -> bool:
    return bool(pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column))
