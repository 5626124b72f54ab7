"""The graph head: what its layers compute, and that kept channel weights are never those of other parameters."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.optim.swa_utils import AveragedModel

from labelmend_core.models import co_occurrence_adjacency
from labelmend_core.models.heads import GraphHead
from labelmend_core.models.heads._graph_layers import GraphAttention, GraphConvolution

LAYERS = pytest.mark.parametrize("layer", ["gcn", "gat"])


def _fresh(head: GraphHead) -> torch.Tensor:
    """The channel weights that a head with these parameters has, computed anew."""
    return head._computed_weights().detach()


def _rewrite(head: GraphHead) -> None:
    with torch.no_grad():
        for parameter in head.layers.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))


@LAYERS
def test_channel_weights_multiply_the_channels(layer, small_head, features_for) -> None:
    head = small_head("graph", layer=layer).eval()
    features = features_for(head)
    weights = head.channel_weights()
    assert weights.shape == (16,)
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(head(features), head.classifier(features * weights))


def test_weighing_vectors_is_weighing_the_map_and_pooling(small_head) -> None:
    head = small_head("graph").eval()
    maps = torch.randn(3, 16, 4, 4)
    weighed = (maps * head.channel_weights()[:, None, None]).mean(dim=(2, 3))
    torch.testing.assert_close(head(maps.mean(dim=(2, 3))), head.classifier(weighed))


def test_the_convolution_is_the_normalised_one_of_the_paper(chain_labels) -> None:
    adjacency = torch.from_numpy(co_occurrence_adjacency(chain_labels(5), threshold=0.9))
    assert not torch.equal(adjacency, adjacency.T)
    layer, nodes = GraphConvolution(6, 4), torch.randn(5, 6)
    root = torch.diag(adjacency.sum(dim=1) ** -0.5)
    torch.testing.assert_close(layer(nodes, adjacency), (adjacency @ root).T @ root @ nodes @ layer.weight)


def test_attention_is_that_of_naive_loops(chain_labels) -> None:
    adjacency = torch.from_numpy(co_occurrence_adjacency(chain_labels(5), threshold=0.9))
    layer, nodes = GraphAttention(6, 4), torch.randn(5, 6)
    mapped = nodes @ layer.weight
    for i in range(5):
        near = [j for j in range(5) if adjacency[j, i] > 0]
        scores = [
            F.leaky_relu(mapped[i] @ layer.attention[:, 0] + mapped[j] @ layer.attention[:, 1], 0.2) for j in near
        ]
        shares = torch.stack(scores).softmax(dim=0)
        expected = F.elu(sum(share * mapped[j] for share, j in zip(shares, near, strict=True)))
        torch.testing.assert_close(layer(nodes, adjacency)[i], expected)


@LAYERS
def test_a_graph_without_edges_to_oneself_is_finite(layer, small_head, features_for) -> None:
    head = small_head("graph", layer=layer, rho=1.0, threshold=0.9)
    assert (head.adjacency.sum(dim=0) == 0).any()
    assert head(features_for(head)).isfinite().all()


@LAYERS
def test_renaming_the_classes_leaves_the_channel_weights(layer, small_head) -> None:
    head = small_head("graph", layer=layer).eval()
    before, order = head.channel_weights(), torch.tensor([2, 0, 4, 1, 3])
    with torch.no_grad():
        head.class_vectors.copy_(head.class_vectors[order].clone())
        head.adjacency.copy_(head.adjacency[order][:, order].clone())
    torch.testing.assert_close(head.channel_weights(), before)


@torch.no_grad()
def test_channel_weights_are_computed_once_in_eval_mode(small_head, features_for) -> None:
    head = small_head("graph").eval()
    computed = []
    head.layers[0].register_forward_hook(lambda *_: computed.append(1))
    for _ in range(5):
        head(features_for(head))
    assert len(computed) == 1


def test_in_eval_mode_with_gradients_nothing_is_kept(small_head, features_for) -> None:
    head = small_head("graph").eval()
    with torch.no_grad():
        head(features_for(head))
    head(features_for(head)).sum().backward()
    assert head.layers[0].weight.grad.abs().sum() > 0


@torch.no_grad()
def test_kept_weights_are_dropped_when_training_resumes(small_head, features_for) -> None:
    head = small_head("graph").eval()
    head(features_for(head))
    assert head._cached is not None
    head.train()
    assert head._cached is None


@pytest.mark.parametrize("assign", [False, True])
@torch.no_grad()
def test_kept_weights_are_not_used_for_loaded_parameters(assign, small_head) -> None:
    head, other = small_head("graph").eval(), small_head("graph")
    _rewrite(other)
    before = head.channel_weights().clone()
    head.load_state_dict(other.state_dict(), assign=assign)
    assert not torch.allclose(head.channel_weights(), before)
    torch.testing.assert_close(head.channel_weights(), _fresh(head))


def _step(head: GraphHead) -> None:
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.1)
    with torch.enable_grad():
        head._computed_weights().sum().backward()
    optimiser.step()


CHANGES = {
    "written in place": _rewrite,
    "an optimiser's step": _step,
    "another dtype": lambda head: head.double(),
    "other memory": lambda head: torch.nn.utils.vector_to_parameters(
        torch.randn(sum(p.numel() for p in head.parameters())), head.parameters()
    ),
    "another graph": lambda head: head.adjacency.copy_(torch.ones(5, 5) / 5),
    "other class vectors": lambda head: head.class_vectors.neg_(),
    "a parameter put in its place": lambda head: setattr(
        head.layers[0], "weight", torch.nn.Parameter(torch.randn_like(head.layers[0].weight))
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@torch.no_grad()
def test_kept_weights_are_never_stale(change, small_head) -> None:
    head = small_head("graph").eval()
    for _ in range(3):
        head.channel_weights()
        change(head)
        torch.testing.assert_close(head.channel_weights(), _fresh(head))


@torch.no_grad()
def test_a_moving_average_that_never_trains_is_never_stale(small_head) -> None:
    head = small_head("graph")
    average = AveragedModel(head, avg_fn=lambda mean, current, n: 0.5 * mean + 0.5 * current, use_buffers=True)
    average.module.eval()
    for _ in range(4):
        _rewrite(head)
        average.update_parameters(head)
        torch.testing.assert_close(average.module.channel_weights(), _fresh(average.module))


@torch.no_grad()
def test_a_copy_does_not_take_kept_weights_along(small_head) -> None:
    head = small_head("graph").eval()
    _rewrite(head)
    head.channel_weights()
    other = copy.deepcopy(head)
    assert other._cached is None
    for _ in range(4):
        for parameter in other.parameters():
            parameter.add_(0.1)
        torch.testing.assert_close(other.channel_weights(), _fresh(other))


def test_learned_class_vectors_start_with_the_spread_of_word_vectors(small_head) -> None:
    head = small_head("graph", n_classes=40, width=300)
    assert math.isclose(head.class_vectors.std().item(), 0.4, rel_tol=0.05)
