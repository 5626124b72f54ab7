"""The ML-Decoder head: which query answers for which class, and what the tokens do."""

import pytest
import torch

from labelmend_core.errors import InputError
from labelmend_core.models.heads import MLDecoderHead


def _head(n_classes: int, **settings) -> MLDecoderHead:
    torch.manual_seed(0)
    return MLDecoderHead(8, torch.full((n_classes,), 0.1), width=16, feed_forward=24, **settings).eval()


@pytest.mark.parametrize(
    ("n_classes", "asked", "n_queries", "group"),
    [(3, 0, 3, 1), (100, 0, 100, 1), (101, 0, 51, 2), (250, 0, 84, 3), (9, 4, 3, 3), (5, 50, 5, 1), (1, 0, 1, 1)],
)
def test_classes_share_queries_only_where_they_must(n_classes, asked, n_queries, group) -> None:
    head = _head(n_classes, queries=asked)
    assert head.group_weight.shape == (n_queries, 16, group)
    assert head.queries.shape == (n_queries, 16)
    assert head(torch.randn(2, 6, 8)).shape == (2, n_classes)


@pytest.mark.parametrize("outputs", ["logits", "cosines"])
def test_each_class_reads_its_own_query_with_its_own_weights(outputs) -> None:
    head, tokens = _head(101, outputs=outputs), torch.randn(2, 6, 8)
    before = head(tokens)
    with torch.no_grad():
        head.group_weight[7, :, 1] *= -1
    after = head(tokens)
    changed = (before != after).any(dim=0).nonzero().flatten().tolist()
    assert changed == [15]


def test_a_query_of_its_own_serves_two_neighbouring_classes() -> None:
    head, tokens = _head(101), torch.randn(2, 6, 8)
    before = head(tokens)
    head.queries[7] = torch.randn(16)
    changed = (before - head(tokens)).abs().amax(dim=0) > 1e-6
    assert changed.nonzero().flatten().tolist() == [14, 15]


def test_logits_are_the_products_that_loops_give() -> None:
    head, tokens = _head(7, queries=3), torch.randn(2, 6, 8)
    decoded = head.decoder(head.queries.expand(2, -1, -1), head.embed(tokens))
    found = head(tokens)
    for image in range(2):
        for c in range(7):
            expected = decoded[image, c // 3] @ head.group_weight[c // 3, :, c % 3] + head.bias[c]
            torch.testing.assert_close(found[image, c], expected)


def test_the_order_of_the_tokens_does_not_matter() -> None:
    head, tokens = _head(3), torch.randn(2, 6, 8)
    torch.testing.assert_close(head(tokens[:, torch.randperm(6)]), head(tokens))


def test_queries_are_fixed_and_kept_with_the_weights() -> None:
    head = _head(3)
    assert "queries" in head.state_dict()
    assert "queries" not in dict(head.named_parameters())


def test_dropout_acts_in_training_only() -> None:
    head, tokens = _head(3, dropout=0.5), torch.randn(2, 6, 8)
    assert torch.equal(head(tokens), head(tokens))
    head.train()
    assert not torch.allclose(head(tokens), head(tokens))


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="width 30 and 8 heads; 24 would do"):
        MLDecoderHead(8, torch.full((3,), 0.1), width=30)
