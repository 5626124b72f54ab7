"""Which classes occur together, against a naive count."""

import numpy as np

from labelmend_app.class_counts import together
from labelmend_core.types import LabelMatrix


def test_classes_that_occur_together_match_a_naive_count():
    labels = np.random.default_rng(0).integers(-1, 2, (40, 7))
    chosen, counts = together(LabelMatrix.from_dense(labels), most=5)
    positive = labels == 1
    assert chosen.tolist() == np.argsort(-positive.sum(0), kind="stable")[:5].tolist()
    naive = [[(positive[:, a] & positive[:, b]).sum() for b in chosen] for a in chosen]
    assert counts.tolist() == naive


def test_classes_without_a_label_are_left_out_of_the_pairs():
    chosen, counts = together(LabelMatrix.from_dense([[0, 1, -1], [0, 1, -1]]))
    assert chosen.tolist() == [1]
    assert counts.tolist() == [[2]]
