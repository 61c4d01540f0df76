"""The one way kernels are compiled: numba, kept on disk where that is possible, fast float rules.

Compiled kernels are looked for in the folder that NUMBA_CACHE_DIR names, beside the source and in
the user's cache folder, and kept in the first of these that can be written to. Numba's own cache
reads only where it can write, and refuses to define a kernel where it can write nowhere; what is
installed by one for many, or runs in a container without a home, has neither.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import caching, config
from numba.core.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger(__name__)

_PACKAGE = __name__.rpartition(".")[0]
_BROKEN = (OSError, EOFError, ValueError, pickle.UnpicklingError)


def jit(function: F) -> F:
    """Compile a kernel on its first call, or take it as it was kept."""
    compiled: Any = numba.njit(fastmath=True, nogil=True, error_model="numpy")(function)
    compiled._cache = _Kept(function)
    return cast(F, compiled)


def kernels() -> Iterator[Dispatcher]:
    """Every kernel of the renderer's modules that are loaded."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE):
            yield from (
                value
                for value in vars(module).values()
                if isinstance(value, Dispatcher) and value.py_func.__module__ == name
            )


@cache
def tell_unkept() -> None:
    """Say, once, that nothing can be kept between runs."""
    log.warning(
        "no cache folder can be written to, so the exact renderer prepares itself anew in each run "
        "(up to a minute); set XDG_CACHE_HOME and NUMBA_CACHE_DIR to folders that can"
    )


class _Kept(caching._Cache):
    """What is kept of one kernel, in the places named above."""

    def __init__(self, function: Callable[..., Any]):
        self._places: list[Any] = [_in(locator)(function) for locator in _locators()]

    @property
    def cache_path(self) -> str:
        """Where it is looked for first."""
        return str(self._places[0].cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The first form that can be read, else None; a damaged one counts as none."""
        for place in self._places:
            try:
                found = place.load_overload(sig, target_context)
            except _BROKEN:
                continue
            if found is not None:
                return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a form in the first place that takes it."""
        for place in self._places:
            try:
                place.save_overload(sig, data)
            except _BROKEN:
                continue
            return
        tell_unkept()

    def enable(self) -> None:
        """As numba asks for it."""
        for place in self._places:
            place.enable()

    def disable(self) -> None:
        """As numba asks for it."""
        for place in self._places:
            place.disable()

    def flush(self) -> None:
        """As numba asks for it."""
        for place in self._places:
            place.flush()


def _in(locator: type) -> type[caching.FunctionCache]:
    """Numba's cache in one place."""
    kind = type("_Impl", (caching.CompileResultCacheImpl,), {"_locator_classes": [locator]})
    return type("_Cache", (caching.FunctionCache,), {"_impl_class": kind})


def _locators() -> Iterator[type]:
    if getattr(config, "CACHE_DIR", ""):
        yield _Named
    yield _BesideSource
    yield _OfUser


class _Anywhere:
    """A place that is asked only when something is to be kept whether it takes it."""

    _py_func: Callable[..., Any]

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        """A locator of numba's, whether the place can be written to or not."""
        place = cls(py_func, py_file)  # type: ignore[call-arg]
        place._py_func = py_func
        return place

    def get_source_stamp(self) -> bytes:
        """Over the files of the kernel and of the kernels compiled into it; numba's is over one."""
        content = b"".join(path.read_bytes() for path in sorted(_files(self._py_func)))
        return hashlib.sha256(content).digest()


def _files(function: Callable[..., Any]) -> set[Path]:
    code = function.__code__
    called = (function.__globals__.get(name) for name in code.co_names)
    files = {Path(code.co_filename)}
    return files.union(*(_files(one.py_func) for one in called if isinstance(one, Dispatcher)))


class _Named(_Anywhere, caching.UserProvidedCacheLocator):
    pass


class _BesideSource(_Anywhere, caching.InTreeCacheLocator):
    pass


class _OfUser(_Anywhere, caching.UserWideCacheLocator):
    pass
