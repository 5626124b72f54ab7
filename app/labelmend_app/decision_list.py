"""The audit trail as CSV, for the download on the screen and for `labelmend decisions`."""

from collections.abc import Iterator

from labelmend_app.safe_csv import safe_csv
from labelmend_core.ledger.trail import Wanted
from labelmend_core.workspace import Workspace

CSV_NAME = "labelmend_decisions.csv"
_LEFT_OUT = ["decision_id", "image_index"]


def csv_blocks(workspace: Workspace, wanted: Wanted) -> Iterator[str]:
    """Give the events as CSV, newest first, the header in the first block; times are in UTC.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    for number, block in enumerate(workspace.trail.blocks(wanted)):
        yield safe_csv(block.drop(columns=_LEFT_OUT), header=number == 0)


def csv_file(workspace: Workspace, wanted: Wanted) -> bytes:
    """Return the events as one CSV file for a download."""
    return "".join(csv_blocks(workspace, wanted)).encode()
