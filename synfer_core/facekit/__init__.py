"""FaceKit: an exact renderer of faces whose action units, identity and light are known.

Names are loaded when they are first used, so that identities and captions need no renderer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synfer_core.facekit.captions import attributes_in, caption
    from synfer_core.facekit.dataset import DatasetConfig, render_dataset
    from synfer_core.facekit.identity import (
        IDENTITY_GROUPS,
        Identity,
        draw_identity,
        identity_code,
        identity_from_code,
        sample_code,
        split_of,
    )
    from synfer_core.facekit.regions import au_region
    from synfer_core.facekit.renderer import Renderer
    from synfer_core.facekit.scene import CALM, WIDE, Scene, sample_scene, scene_for

_HOMES = {
    "attributes_in": "captions",
    "caption": "captions",
    "DatasetConfig": "dataset",
    "render_dataset": "dataset",
    "IDENTITY_GROUPS": "identity",
    "Identity": "identity",
    "draw_identity": "identity",
    "identity_code": "identity",
    "identity_from_code": "identity",
    "sample_code": "identity",
    "split_of": "identity",
    "au_region": "regions",
    "Renderer": "renderer",
    "CALM": "scene",
    "WIDE": "scene",
    "Scene": "scene",
    "sample_scene": "scene",
    "scene_for": "scene",
}

__all__ = [
    "CALM",
    "IDENTITY_GROUPS",
    "WIDE",
    "DatasetConfig",
    "Identity",
    "Renderer",
    "Scene",
    "attributes_in",
    "au_region",
    "caption",
    "draw_identity",
    "identity_code",
    "identity_from_code",
    "render_dataset",
    "sample_code",
    "sample_scene",
    "scene_for",
    "split_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
