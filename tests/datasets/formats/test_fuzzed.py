"""Damaged files of every kind that we read: our own errors and nothing else, no hang, no memory past a gigabyte.

`make test` tries some inputs of each; `make faults` sets `LABELMEND_FUZZ_INPUTS` and another seed, and tries many.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from labelmend_core.types import AnnotatedDataset, LabelMatrix
from labelmend_core.workspace import Workspace
from labelmend_datasets.formats import FORMATS

RUNNER = Path(__file__).with_name("fuzz.py")
INPUTS = int(os.environ.get("LABELMEND_FUZZ_INPUTS", "100"))
SEED = int(os.environ.get("LABELMEND_FUZZ_SEED", "0"))
GUIDED = "LABELMEND_FUZZ_GUIDED" in os.environ  # by atheris, which `make guided` installs
NAMES = ("b.jpg", "sub/a.jpg", "ü c.jpg")
NO_READER = "a reader that fails"
IMAGES = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are read as Linux says them")


@pytest.fixture
def manifest(make_sample: Callable[..., Any], tmp_path: Path) -> Path:
    """A sample for each reader."""
    entries = [_formats(make_sample, tmp_path, name) for name in FORMATS]
    csv = next(entry for entry in entries if entry["name"] == "csv")
    entries += [{**csv, "name": "recognise", "reader": "recognise"}, {**csv, "name": "labels", "reader": "labels"}]
    entries += [_image(tmp_path, kind) for kind in IMAGES]
    entries += [*_arrays(tmp_path), _guidelines(tmp_path), _workspace(tmp_path)]
    entries.append({**entries[0], "name": NO_READER, "entry": "no file\x00"})
    if GUIDED:  # which puts bytes together, and no names
        entries = [entry for entry in entries if entry["name"] != "image-folder"]
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_a_damaged_file_is_refused_in_a_sentence_or_read(manifest: Path) -> None:
    given, found = _fuzzed(manifest)
    wrong = [one for one in found if one.startswith(NO_READER)]
    assert [one for one in found if one not in wrong] == []
    assert len(wrong) == 2  # what goes wrong is found, on the undamaged sample and on damaged ones
    assert GUIDED or set(given.values()) == {INPUTS}


def _fuzzed(manifest: Path) -> tuple[dict[str, int], list[str]]:
    command = [sys.executable, str(RUNNER), str(manifest), str(INPUTS), str(SEED), *(["--guided"] if GUIDED else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    return last["inputs"], last["found"]


def _formats(make_sample: Callable[..., Any], folder: Path, name: str) -> dict[str, str]:
    place = folder / "samples" / name
    place.mkdir(parents=True)
    source = make_sample(name, place).source
    (place / "classes.txt").unlink()
    return {"name": name, "reader": name, "folder": str(place), "entry": source.name}


def _image(folder: Path, kind: str) -> dict[str, str]:
    place = folder / "samples" / kind
    place.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(place / "image.jpg", kind)  # whatever it is, the name says JPEG
    return {"name": f"image {kind}", "reader": "image", "folder": str(place), "entry": "image.jpg"}


def _arrays(folder: Path) -> list[dict[str, str]]:
    probs = np.linspace(0, 1, 9, dtype=np.float32).reshape(3, 3)
    labels = np.array([[1, 0, -1], [0, 0, 0], [1, 1, -1]], dtype=np.int8)
    found = []
    for reader, array, kinds in (
        ("probabilities", probs, ("npy", "npz", "csv", "parquet")),
        ("labels", labels, ("npy", "npz", "parquet")),
    ):
        for kind in kinds:
            place = folder / "samples" / f"{reader} in {kind}"
            place.mkdir(parents=True)
            _write_array(array, place / f"given.{kind}")
            found.append(_entry(f"{reader} {kind}", reader, place, f"given.{kind}"))
    place = folder / "samples" / "vectors"
    place.mkdir()
    (place / "vectors.txt").write_text("cat 0.1 0.2\ndog 0.3 -0.4\n")
    return [*found, _entry("vectors", "vectors", place, "vectors.txt")]


def _write_array(array: np.ndarray, path: Path) -> None:
    frame = pd.DataFrame(array, columns=["cat", "dog", "person"]).assign(image=NAMES)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        sparse.save_npz(path, sparse.csr_array(array))
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)


def _guidelines(folder: Path) -> dict[str, str]:
    place = folder / "samples" / "guided" / "guidelines"
    place.mkdir(parents=True)
    (place / "0.md").write_text("# Cats\n\n- *whole* or in parts\n")
    (place / "0.examples.json").write_text("[3, 1, 2]")
    return _entry("guidelines", "guidelines", place.parent, "")


def _workspace(folder: Path) -> dict[str, str]:
    place = folder / "samples" / "opened"
    place.mkdir(parents=True)
    (place / "labels.txt").write_text("cat.jpg,0\n")
    dataset = AnnotatedDataset(["cat.jpg"], ["cat.jpg"], ["cat"], LabelMatrix.from_dense(np.ones((1, 1), np.int8)))
    places = {"image_folder": place, "source": place / "labels.txt"}
    Workspace.create(place / "w", dataset, format_name="list", **places).close()
    return _entry("workspace", "workspace", place, "w")


def _entry(name: str, reader: str, folder: Path, entry: str) -> dict[str, str]:
    return {"name": name, "reader": reader, "folder": str(folder), "entry": entry}
