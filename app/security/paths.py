"""Where a request goes, wherever the studio is mounted."""

from __future__ import annotations

from starlette.types import Scope

from synfer_core.wire import PREFIX


def path_of(scope: Scope) -> str:
    """A request's path below the server's own root path."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    inside = root and (path == root or path.startswith(root + "/"))
    return path[len(root) :] or "/" if inside else path


def to_api(scope: Scope) -> bool:
    """Whether a request is for the API; all other paths are the page's."""
    path = path_of(scope)
    return path == PREFIX or path.startswith(PREFIX + "/")
