"""Fixtures that every test folder shares."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# An example may take as long as it takes: on a busy machine a deadline is a timed assertion.
settings.register_profile("labelmend", deadline=None)
settings.load_profile("labelmend")

# As the command line does, before anything imports torch.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The development data (photographs, goldens, weights) beside the repository; never inside it."""
    folder = Path(os.environ.get("LABELMEND_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "goldens").is_dir():
        pytest.skip(f"no development data at {folder}; set LABELMEND_SHARED to its folder")
    return folder
