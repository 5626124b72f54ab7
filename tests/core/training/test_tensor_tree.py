"""What a state is kept in: it comes back to the bit, and a damaged file is told so."""

import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.training.tensor_tree import load_tree, save_tree


def test_a_tree_comes_back_to_the_bit_and_in_its_memory_order(tmp_path) -> None:
    pixels = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tree = {
        "optimiser": {"state": {0: {"step": torch.tensor(3.0), "average": pixels}}, "betas": (0.1 + 0.2, 1e-300)},
        "flags": [True, None, "a\"b'c", -3, float("inf"), torch.zeros(0, 4, dtype=torch.int16), torch.tensor([True])],
        "half": torch.randn(3).bfloat16(),
        "": {},
    }
    save_tree(tmp_path / "tree.safetensors", tree)
    found = load_tree(tmp_path / "tree.safetensors")
    assert torch.equal(found["optimiser"]["state"][0]["average"], pixels)
    assert found["optimiser"]["state"][0]["average"].stride() == pixels.stride()
    assert found["optimiser"]["state"][0]["step"].shape == ()
    assert found["optimiser"]["betas"] == tree["optimiser"]["betas"]
    assert found["flags"][:5] == tree["flags"][:5]
    assert [tensor.dtype for tensor in found["flags"][5:]] == [torch.int16, torch.bool]
    assert torch.equal(found["half"], tree["half"])
    assert found[""] == {}


def test_one_tensor_in_two_places_is_two(tmp_path) -> None:
    weights = torch.ones(2)
    save_tree(tmp_path / "tree.safetensors", {"a": weights, "b": weights, "part": weights[:1]})
    assert {name: tensor.tolist() for name, tensor in load_tree(tmp_path / "tree.safetensors").items()} == {
        "a": [1.0, 1.0],
        "b": [1.0, 1.0],
        "part": [1.0],
    }


@pytest.mark.parametrize("keep", [0, 7, 60, -1])
def test_a_cut_file_is_refused_with_a_sentence(tmp_path, keep: int) -> None:
    path = tmp_path / "tree.safetensors"
    save_tree(path, {"a": torch.ones(9)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"tree\.safetensors .*cannot be read .*begins anew"):
        load_tree(path)


def test_other_tensors_than_ours_are_refused(tmp_path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="cannot be read"):
        load_tree(tmp_path / "model.safetensors")
