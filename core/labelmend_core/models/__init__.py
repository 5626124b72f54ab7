"""Networks: a backbone and a head."""

from labelmend_core.models.backbone import Backbone, BackboneSpec, Features, build_backbone
from labelmend_core.models.heads import HEADS, Head, LinearHead, Outputs, build_head, co_occurrence_adjacency
from labelmend_core.models.heat_map import Box, HeatMap, make_heat_map
from labelmend_core.models.local_global_conv import LAST_STAGE, with_local_global

__all__ = [
    "HEADS",
    "LAST_STAGE",
    "Backbone",
    "BackboneSpec",
    "Box",
    "Features",
    "Head",
    "HeatMap",
    "LinearHead",
    "Outputs",
    "build_backbone",
    "build_head",
    "co_occurrence_adjacency",
    "make_heat_map",
    "with_local_global",
]
