"""Networks: a backbone and a head."""

from labelmend_core.models.backbone import Backbone, BackboneSpec, build_backbone
from labelmend_core.models.heads import LinearHead

__all__ = ["Backbone", "BackboneSpec", "LinearHead", "build_backbone"]
