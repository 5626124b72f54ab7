"""What CONTRIBUTING shows how to add is added to a copy of the packages, line by line, and used."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("core", "datasets", "app")
BLOCK = re.compile(r"^```(python|diff)\n# (\S+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)

LOSS = """
import torch
from labelmend_core.losses import build_loss

loss = build_loss("brier", reduction="sum")
assert abs(loss(torch.zeros(1, 2), torch.tensor([[1, -1]])).item() - 0.5) < 1e-6
logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
targets = torch.randint(-1, 2, (3, 4))
assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits,))
"""

SCORE = """
import numpy as np
from labelmend_core import LabelMatrix
from labelmend_core.detection.combine import NAMES, scores_of
from labelmend_core.detection.rank import judge, ranked, with_contributions

rng = np.random.default_rng(0)
given, p = (rng.random((500, 4)) < 0.3).astype(np.int8), rng.random((500, 4))
labels = LabelMatrix.from_dense(given)
scores = scores_of(labels, p)
cells = with_contributions(ranked(judge(labels, scores), 0), scores)
missing = cells["kind"] == "missing"
n = given.sum(axis=1)[cells["image_index"]]
np.testing.assert_allclose(cells["labels_of_image"], np.where(missing, 0.1 * np.log1p(n), 0), rtol=1e-5)
assert "labels_of_image" in NAMES
"""

FORMAT = """
from pathlib import Path
from PIL import Image
from labelmend_app.cli import main

def run(*command):
    try:
        main([*command, "--workspace", "workspace"])
    except SystemExit as ended:
        assert not ended.code, command

Path("photos").mkdir()
for name in ("b.jpg", "a.jpg"):
    Image.new("RGB", (8, 8)).save(Path("photos", name))
Path("given.txt").write_text("b.jpg|dog|cat\\na.jpg\\n")
run("import", "given.txt", "--images", "photos", "--format", "piped")
run("export", "mended")
assert Path("mended", "given.txt").read_text() == "b.jpg|cat|dog\\na.jpg\\n"
"""

SCREEN = """
from pathlib import Path
import numpy as np
from labelmend_app.importing import import_annotations
from labelmend_app.screens import main
from labelmend_datasets.digits import make_scenes
from streamlit.testing.v1 import AppTest

made = make_scenes(Path("photos"), 12, np.random.default_rng(0), 32)
lines = [f"{name},{' '.join(map(str, made.given_labels.positives(i)))}" for i, name in enumerate(made.image_ids)]
Path("labels.txt").write_text("\\n".join(lines))
import_annotations(Path("workspace"), Path("labels.txt"), Path("photos")).close()

page = AppTest.from_string('''
from pathlib import Path
from labelmend_app.screens import largest
from labelmend_core.workspace import Workspace
largest.render(Workspace.open(Path("workspace")))
''', default_timeout=600).run()
assert not page.exception, page.exception
labels = page.dataframe[0].value["labels"]
assert labels.is_monotonic_decreasing
assert labels.sum() == len(made.given_labels.cells()[0])
assert "largest" in main.SCREENS
"""


@pytest.mark.parametrize(
    ("title", "use"), [("A loss", LOSS), ("A score", SCORE), ("A format", FORMAT), ("A screen", SCREEN)]
)
def test_what_is_added_as_contributing_says_works(title: str, use: str, tmp_path: Path) -> None:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, tmp_path / "copy" / package, ignore=ignored)
    _add(title, tmp_path / "copy")
    place = tmp_path / "place"
    place.mkdir()
    path = os.pathsep.join(str(tmp_path / "copy" / package) for package in PACKAGES)
    done = subprocess.run(
        [sys.executable, "-c", use],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _add(title: str, copy: Path) -> None:
    """Do what a section of CONTRIBUTING shows: write the one file, and add and replace lines of others."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {title}\n(.*?)(?=^##)", text, flags=re.MULTILINE | re.DOTALL)
    assert section is not None
    blocks = BLOCK.findall(section[1])
    assert [language for language, _, _ in blocks].count("python") == 1
    for language, name, content in blocks:
        if language == "python":
            assert not (copy / name).exists()
            (copy / name).write_text(content, encoding="utf-8")
        else:
            _change(copy / name, content)


def _change(file: Path, shown: str) -> None:
    """Change a file as a diff shows it: each line that is there already is looked for after the one before."""
    lines, at = file.read_text(encoding="utf-8").splitlines(), 0
    for sign, line in ((one[0], one[1:]) for one in shown.splitlines()):
        if sign == "+":
            lines.insert(at, line)
            at += 1
            continue
        assert line in lines[at:], f"{file.name} has no line {line!r} there"
        at += lines[at:].index(line) + 1
        if sign == "-":
            at -= 1
            del lines[at]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
