"""The plugin put where FiftyOne looks for plugins, or taken away from there; without importing fiftyone."""

import shutil
from pathlib import Path

import yaml

from labelmend_app.fiftyone_bridge.connection import setting
from labelmend_core.errors import InputError
from labelmend_core.files import beside, explained

SOURCE = Path(__file__).parent / "plugin"
_NAME, _MANIFEST = "labelmend", "fiftyone.yml"


def place() -> Path:
    """Return the folder in which the plugin lies, or would."""
    named = setting("plugins_dir", "FIFTYONE_PLUGINS_DIR")
    if named is not None:
        return Path(named).expanduser() / _NAME
    datasets = setting("default_dataset_dir", "FIFTYONE_DEFAULT_DATASET_DIR") or "~/fiftyone"
    return Path(datasets).expanduser() / "__plugins__" / _NAME


def install() -> Path:
    """Put the plugin into FiftyOne's folder of plugins, in place of an older one, and return where it is.

    Raises:
        InputError: something else is there.
        WorkspaceError: the folder cannot be written.
    """
    folder = place()
    _refuse_another(folder)
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new, old = beside(folder), beside(folder)  # hidden: FiftyOne does not look into such
        new.mkdir()
        for path in [*SOURCE.glob("*.py"), SOURCE / _MANIFEST]:
            shutil.copyfile(path, new / path.name)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    return folder


def remove() -> Path | None:
    """Take the plugin away and return where it was, None where there was none.

    Raises:
        InputError: something else is there.
        WorkspaceError: the folder cannot be written.
    """
    folder = place()
    if not folder.exists():
        return None
    _refuse_another(folder)
    with explained(folder):
        shutil.rmtree(folder)
    return folder


def is_current() -> bool:
    """Return whether the plugin is there as this labelmend has it."""
    folder = place()
    return all(
        (folder / path.name).is_file() and (folder / path.name).read_bytes() == path.read_bytes()
        for path in [*SOURCE.glob("*.py"), SOURCE / _MANIFEST]
    )


def _refuse_another(folder: Path) -> None:
    manifest, ours = folder / _MANIFEST, yaml.safe_load((SOURCE / _MANIFEST).read_text(encoding="utf-8"))["name"]
    if not folder.exists():
        return
    found = yaml.safe_load(manifest.read_text(encoding="utf-8")) if manifest.is_file() else None
    if not isinstance(found, dict) or found.get("name") != ours:
        raise InputError(f"Expected {folder} to be free for the plugin, but something else is there; move it away.")
