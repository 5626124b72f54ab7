"""The layers hold, and what is heavy stays where it belongs."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def test_imports_follow_the_layers() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module", ["labelmend_core", "labelmend_core.workspace", "labelmend_datasets.formats", "labelmend_app.cli"]
)
def test_torch_waits_until_somebody_needs_it(module: str) -> None:
    heavy = "{'torch', 'timm', 'fiftyone', 'streamlit', 'sklearn'}"
    code = f"import sys, {module}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
