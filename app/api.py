"""The HTTP API's first routes: health, version and vocabulary."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from app.schemas import Health, Version, Vocabulary
from synfer_core.synthesizer import Synthesizer


def routes(synthesizer: Synthesizer) -> APIRouter:
    """Routes under ``/api/v1`` for one synthesizer."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/health")
    def health() -> Health:
        return Health(status="ok", backbones=list(synthesizer.capabilities))

    @router.get("/version")
    def version_of() -> Version:
        return Version(version=version("synfer-studio"), recipe=1)

    @router.get("/vocabulary")
    def vocabulary() -> Vocabulary:
        return Vocabulary.current()

    return router
