"""The one way kernels are compiled: numba, cached on disk, fast floating-point rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile a kernel on its first call; the result is cached beside the source."""
    compiled = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")(function)
    return cast(F, compiled)
