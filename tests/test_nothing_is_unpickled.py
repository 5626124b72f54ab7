"""No file that a user or a stranger hands us can run code: what could is not in the source, and does not work."""

import ast
import pickle
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.models import BackboneSpec, build_backbone
from labelmend_core.models.heads._class_vectors import read_class_vectors
from labelmend_core.types import LabelMatrix
from labelmend_datasets.formats import FORMATS
from labelmend_datasets.labels import GivenLabels, read_labels
from labelmend_datasets.predictions import read_predictions

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = ("app/labelmend_app", "core/labelmend_core", "datasets/labelmend_datasets")
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
METHODS, FUNCTIONS = {"read_pickle", "full_load", "unsafe_load"}, {"eval", "exec", "os.system", "os.popen"}
GIVEN = GivenLabels(LabelMatrix.empty((3, 3)), ("a", "b", "c"), ("x", "y", "z"))


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))


def test_no_source_can_unpickle_a_file() -> None:
    found = [f"{path.name}:{one}" for path in sources() for one in _unsafe(path.read_text(encoding="utf-8"))]
    assert found == []
    assert len(sources()) > 100


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=allowed)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "pd.read_pickle(path)",
        "subprocess.run(command, shell=True)",
        "eval(text)",
    ],
)
def test_what_could_is_noticed(source: str) -> None:
    assert len(list(_unsafe(source))) == 1


def _unsafe(text: str) -> Iterator[str]:
    """Line and name of all that opens a pickle, or runs a text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"{node.lineno} {name}" for name in names if name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.Call) and not _is_safe(node):
            yield f"{node.lineno} {ast.unparse(node.func)}"


def _is_safe(call: ast.Call) -> bool:
    known = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    function = ast.unparse(call.func)
    if function == "torch.load":
        return known.get("weights_only") == "True"
    if function == "yaml.load":
        return known.get("Loader") in ("yaml.SafeLoader", "yaml.CSafeLoader")
    if known.get("allow_pickle", "False") != "False" or known.get("shell", "False") != "False":
        return False
    return function.rpartition(".")[2] not in METHODS and function not in FUNCTIONS


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return subprocess.call, (["touch", str(self.mark)],)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the payload ran"


@pytest.fixture
def hostile(tmp_path: Path, mark: Path) -> dict[str, Path]:
    """Files of every kind that we read, with a payload where the kind has a place for one."""
    objects = np.empty((3, 3), dtype=object)
    objects[:] = Payload(mark)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Payload(mark)))
    with zipfile.ZipFile(tmp_path / "matrix.npz", "w") as archive:
        for name in ("format", "shape", "data", "indices", "indptr"):
            archive.writestr(f"{name}.npy", (tmp_path / "objects.npy").read_bytes())
    torch.save(Payload(mark), tmp_path / "state.pt")
    (tmp_path / "weights.safetensors").write_bytes((tmp_path / "state.pt").read_bytes())
    (tmp_path / "labels.csv").write_bytes(pickle.dumps(Payload(mark)))
    # What Arrow unpickled when it read a file, before CVE-2023-47248.
    typed = {b"ARROW:extension:name": b"arrow.py_extension_type"}
    field = pa.field("image", pa.string(), metadata={**typed, b"ARROW:extension:metadata": pickle.dumps(Payload(mark))})
    columns = [pa.array(["a", "b", "c"]), *[pa.array([0.1, 0.2, 0.3])] * 3]
    schema = pa.schema([field, *(pa.field(name, pa.float64()) for name in "xyz")])
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), tmp_path / "table.parquet")
    (tmp_path / "yolo" / "images").mkdir(parents=True)
    (tmp_path / "yolo" / "images" / "a.jpg").touch()
    (tmp_path / "yolo" / "data.yaml").write_text(f"names: !!python/object/apply:os.system ['touch \"{mark}\"']\n")
    return {path.name: path for path in tmp_path.iterdir()}


def test_the_payload_works_where_it_is_unpickled(hostile: dict[str, Path], mark: Path) -> None:
    pickle.loads(hostile["pickle.npy"].read_bytes())  # noqa: S301 our own
    assert mark.exists()


@pytest.mark.parametrize("name", ["objects.npy", "pickle.npy", "matrix.npz", "labels.csv", "yolo"])
def test_labels_and_probabilities_are_refused_and_nothing_runs(hostile: dict[str, Path], mark: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"(?i)expected"):
        read_labels(hostile[name])
    with pytest.raises(InputError, match=r"(?i)expected"):
        read_predictions(hostile[name], GIVEN)
    assert not mark.exists()


def test_a_table_with_a_type_of_its_own_is_read_as_plain_text(hostile: dict[str, Path], mark: Path) -> None:
    assert read_predictions(hostile["table.parquet"], GIVEN).pred_probs.shape == (3, 3)
    with pytest.raises(InputError, match=r"(?i)expected"):
        FORMATS["hf-parquet"].read(hostile["table.parquet"])
    assert not mark.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt", "objects.npy"])
def test_weights_are_refused_and_nothing_runs(hostile: dict[str, Path], mark: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"Expected a (whole )?\.safetensors file"):
        build_backbone(BackboneSpec("test_resnet", str(hostile[name])))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["objects.npy", "pickle.npy"])
def test_class_vectors_are_refused_and_nothing_runs(hostile: dict[str, Path], mark: Path, name: str) -> None:
    with pytest.raises(InputError, match="Expected a NumPy array"):
        read_class_vectors(hostile[name], ("x", "y", "z"), 3)
    assert not mark.exists()


def test_a_state_to_resume_from_is_refused_and_nothing_runs(hostile: dict[str, Path], mark: Path) -> None:
    from labelmend_core.training.checkpoint import load_state

    with pytest.raises(InputError, match="begins anew"):
        load_state(hostile["state.pt"])
    assert not mark.exists()
