"""Heads: from a backbone's features to one logit or cosine a class, by name: `build_head("ml_decoder", …)`."""

from labelmend_core.models.heads._head import Head, Outputs
from labelmend_core.models.heads._registry import HEADS, build_head, check_head
from labelmend_core.models.heads.co_occurrence import co_occurrence_adjacency
from labelmend_core.models.heads.cosine import CosineHead
from labelmend_core.models.heads.graph import GraphHead
from labelmend_core.models.heads.linear import LinearHead
from labelmend_core.models.heads.ml_decoder import MLDecoderHead

__all__ = [
    "HEADS",
    "CosineHead",
    "GraphHead",
    "Head",
    "LinearHead",
    "MLDecoderHead",
    "Outputs",
    "build_head",
    "check_head",
    "co_occurrence_adjacency",
]
