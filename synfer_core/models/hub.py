"""Models on the hub, fetched only where a user names one as ``hub:ORG/MODEL``."""

from __future__ import annotations

from pathlib import Path

from synfer_core.errors import UnreachableError, WeightsError
from synfer_core.models.added import HUB

_WANTED = ["model_index.json", "*/*.json", "tokenizer/*.txt", "*/*.safetensors"]
_UNWANTED = ["safety_checker/*", "*.fp16.safetensors", "*.non_ema.safetensors"]


def folder_of(where: str) -> Path:
    """The folder with a model: as named, or fetched from the hub into its cache.

    Raises:
        WeightsError: There is no such folder.
        UnreachableError: The hub does not answer, or has no such model for this user.
    """
    if where.startswith(HUB):
        return _fetched(where.removeprefix(HUB))
    folder = Path(where)
    if not folder.is_dir():
        raise WeightsError(
            "there is no such folder", field=where, allowed=f"a folder, or {HUB}ORG/MODEL"
        )
    return folder


def _fetched(name: str) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(name, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    # An ImportError is what SOCKS proxies raise without a package of their own.
    except (OSError, ValueError, ImportError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        first = str(error).strip().split("\n", 1)[0]
        raise UnreachableError(
            f"cannot be fetched: {first}",
            field=f"{HUB}{name}",
            allowed="a folder with the model, or a connection to the hub, proxies included",
        ) from error
    return Path(found)
