"""Networks: a backbone and a head."""

from labelmend_core.models.backbone import Backbone, BackboneSpec, Features, build_backbone
from labelmend_core.models.heads import HEADS, Head, LinearHead, Outputs, build_head, co_occurrence_adjacency
from labelmend_core.models.local_global_conv import LAST_STAGE, with_local_global

__all__ = [
    "HEADS",
    "LAST_STAGE",
    "Backbone",
    "BackboneSpec",
    "Features",
    "Head",
    "LinearHead",
    "Outputs",
    "build_backbone",
    "build_head",
    "co_occurrence_adjacency",
    "with_local_global",
]
