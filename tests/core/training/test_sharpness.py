"""SAM: the gradient of the point uphill, and a network that is left where it was."""

import pytest
import torch
from torch import nn

from labelmend_core.training.sharpness import ascended


def _network() -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3))
    return network, torch.randn(20, 5), torch.randn(20, 3)


def _backward(network: nn.Module, inputs: torch.Tensor, wanted: torch.Tensor) -> float:
    network.zero_grad(set_to_none=True)
    loss = (network(inputs) - wanted).square().mean()
    loss.backward()
    return float(loss.detach())


def test_the_gradient_is_that_of_the_point_uphill() -> None:
    network, inputs, wanted = _network()
    here = _backward(network, inputs, wanted)
    weights = [parameter.detach().clone() for parameter in network.parameters()]
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    with ascended(network, 0.05):
        uphill = _backward(network, inputs, wanted)
    found = [parameter.grad.clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter, weight, gradient in zip(network.parameters(), weights, gradients, strict=True):
            parameter.copy_(weight + 0.05 * gradient / norm)
    assert _backward(network, inputs, wanted) == pytest.approx(uphill)
    for parameter, gradient in zip(network.parameters(), found, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert uphill > here


def test_weights_come_back_to_the_bit_and_norms_count_a_batch_once() -> None:
    network, inputs, wanted = _network()
    _backward(network, inputs, wanted)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with ascended(network, 0.5):
        _backward(network, inputs, wanted)
        assert not torch.equal(network[0].weight, before["0.weight"])
    after = network.state_dict()
    for name, tensor in before.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(after[name], tensor), name
    assert network[1].momentum == 0.1


def test_weights_come_back_when_the_second_pass_fails() -> None:
    network, inputs, wanted = _network()
    _backward(network, inputs, wanted)
    before = network[0].weight.detach().clone()
    with pytest.raises(KeyboardInterrupt), ascended(network, 0.5):
        raise KeyboardInterrupt
    assert torch.equal(network[0].weight, before)


def test_a_network_without_a_gradient_stays_where_it_is() -> None:
    network, inputs, _ = _network()
    _backward(network, inputs, network(inputs).detach())
    with ascended(network, 0.05):
        assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
