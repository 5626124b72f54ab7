"""Layers that let each class hear of its neighbours in the graph."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 – torch's own convention
from torch import Tensor, nn


class GraphConvolution(nn.Module):
    """Nodes (K, n_in) to (K, n_out): mapped by one matrix, then gathered along the edges.

    The normalisation D^-1/2 Aᵀ D^-1/2 of the papers is Aᵀ alone, since the rows of A sum to 1: a class gathers
    from the classes that imply it.

    Source: Kipf and Welling, 2017, arXiv 1609.02907, as Chen et al., 2019, arXiv 1904.03582, use it.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        nn.init.uniform_(self.weight, -1 / math.sqrt(n_out), 1 / math.sqrt(n_out))

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """Return the new nodes, (K, n_out)."""
        return adjacency.T @ (nodes @ self.weight)


class GraphAttention(nn.Module):
    """Nodes (K, n_in) to (K, n_out): mapped by one matrix, then the mean of neighbours and itself by attention.

    Source: Veličković et al., 2018, arXiv 1710.10903, one head, without dropout.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.attention = nn.Parameter(torch.empty(n_out, 2))
        nn.init.xavier_uniform_(self.weight, gain=math.sqrt(2))
        nn.init.xavier_uniform_(self.attention, gain=math.sqrt(2))

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """Return the new nodes, (K, n_out)."""
        mapped = nodes @ self.weight
        own, other = (mapped @ self.attention).unbind(dim=1)
        scores = F.leaky_relu(own[:, None] + other[None, :], 0.2)
        # The diagonal too where rho = 1 has emptied it: a softmax over nothing is NaN.
        edges = (adjacency.T > 0) | torch.eye(len(adjacency), dtype=torch.bool, device=adjacency.device)
        return F.elu(scores.masked_fill(~edges, -math.inf).softmax(dim=1) @ mapped)
