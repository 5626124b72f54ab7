"""README, CONTRIBUTING and the layout say what is true, and their commands run."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
OWN_TRAINING = "docs/how-to/own-training.md"
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "BENCHMARKS.md", OWN_TRAINING)
N_IMAGES, N_TEST = 150, 30


def _blocks(document: str, language: str) -> list[str]:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def _digits(folder: Path) -> dict[str, str]:
    """Lay out a user's folder: photos, labels.txt, test.txt, classes.txt; return the backbone to use."""
    from labelmend_datasets.digits import make_scenes

    made = make_scenes(folder / "photos", N_IMAGES + N_TEST, np.random.default_rng(0), 32)
    lines = [f"{name},{' '.join(map(str, made.given_labels.positives(i)))}" for i, name in enumerate(made.image_ids)]
    _lists(folder, lines)
    (folder / "classes.txt").write_text("\n".join(made.class_names) + "\n", encoding="utf-8")
    return {"LABELMEND_BACKBONE": "test_resnet", "LABELMEND_WEIGHTS": "random", "LABELMEND_IMAGE_SIZE": "32"}


def _photographs(folder: Path, shared: Path) -> dict[str, str]:
    """The same with real photographs and ImageNet weights."""
    data = shared / "data" / "coco18"
    lines = (data / "train_0.4left.txt").read_text(encoding="utf-8").splitlines()
    _lists(folder, lines[: N_IMAGES + N_TEST])
    shutil.copyfile(data / "classes.txt", folder / "classes.txt")
    (folder / "photos").symlink_to(data / "images")
    return {
        "LABELMEND_BACKBONE": "mobilenetv2_100",
        "LABELMEND_BACKBONE_ARG": "pad_type=same",
        "LABELMEND_WEIGHTS": str(shared / "weights" / "mobilenetv2_100_same.safetensors"),
        "LABELMEND_IMAGE_SIZE": "128",
        "LABELMEND_PIXEL_MEAN": "0.5",
        "LABELMEND_PIXEL_STD": "0.5",
    }


def _lists(folder: Path, lines: list[str]) -> None:
    (folder / "labels.txt").write_text("\n".join(lines[:N_IMAGES]) + "\n", encoding="utf-8")
    (folder / "test.txt").write_text("\n".join(lines[N_IMAGES:]) + "\n", encoding="utf-8")


def _shell(command: str) -> None:
    """Run a command as its reader does."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def _commands() -> list[str]:
    commands = [line for block in _blocks("README.md", "sh") for line in block.splitlines() if line.strip()]
    assert [line.split()[1] for line in commands] == [
        "import", "train", "suggest", "review", "export", "retrain", "status",
        "train", "train", "recipes", "recipes",
        "evaluate",
        "noise", "import", "train", "evaluate",
    ]  # fmt: skip
    return commands


@pytest.mark.parametrize("images", ["digits", pytest.param("photographs", marks=pytest.mark.shared)])
def test_the_commands_of_the_readme_run_in_their_order(
    tmp_path: Path,
    images: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    run_here: Callable[[str], None],
    open_and_close_the_review: Callable[[str], None],
) -> None:
    chosen = _digits(tmp_path) if images == "digits" else _photographs(tmp_path, request.getfixturevalue("shared_dir"))
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    ran = set()
    for command in _commands():
        name = command.split()[1]
        if name == "review":
            open_and_close_the_review(command)
        elif images == "digits" and name not in ran:  # each command in a process of its own, once
            _shell(command)
        else:
            run_here(command)
        ran.add(name)
    exported = (tmp_path / "corrected" / "labels.txt").read_bytes()
    assert exported == (tmp_path / "labels.txt").read_bytes()


@pytest.mark.parametrize("code", _blocks("README.md", "python"))
def test_the_python_of_the_readme_runs(code: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)


@pytest.mark.filterwarnings("ignore")  # what Lightning and transformers warn of is not ours
@pytest.mark.parametrize("code", _blocks(OWN_TRAINING, "python"))
def test_the_python_for_somebody_elses_training_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # transformers must not take this repository's folder `datasets` for Hugging Face's library.
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry).resolve() != REPOSITORY])
    monkeypatch.chdir(tmp_path)
    for package in ("lightning", "transformers"):
        if f"import {package}" in code:
            pytest.importorskip(package, reason=f"{package} is not installed")
    exec(compile(code, OWN_TRAINING, "exec"), {"__name__": "__main__"})  # here: most of its time is importing torch
    assert "print(" not in code or "missing" in capsys.readouterr().out


def test_the_map_of_the_code_is_complete() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE))
    there = {"docs", "tests"} | {
        str(path.parent.relative_to(REPOSITORY))
        for package in ("core", "datasets", "app")
        for path in (REPOSITORY / package).rglob("*.py")
    }
    # `components` only holds its one component.
    assert there - {"app/labelmend_app/components"} == named


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(document: str) -> None:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert (REPOSITORY / document).parent.joinpath(target).exists(), target


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)$", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_lock_holds_names_and_versions_only() -> None:
    for line in (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[\w.+!]+( ; .+)?", line), line


def test_the_version_is_one() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    from importlib.metadata import version

    assert version("labelmend") == project["version"]
