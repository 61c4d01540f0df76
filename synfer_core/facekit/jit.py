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
import numpy as np
from numba.core import caching, config, ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.dispatcher import Dispatcher
from numba.core.untyped_passes import IRProcessing

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")

log = logging.getLogger(__name__)

_PACKAGE = __name__.rpartition(".")[0]
_BROKEN = (OSError, EOFError, ValueError, pickle.UnpicklingError)


@register_pass(mutates_CFG=False, analysis_only=False)
class _SinglePrecision(FunctionPass):
    """Takes the float constants of a kernel as single precision."""

    _name = "synfer_single_precision"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """As numba asks for it; tells whether something changed."""
        changed = False
        for block in state.func_ir.blocks.values():
            for assign in block.find_insts(ir.Assign):
                value = assign.value
                named = isinstance(value, ir.Const | ir.Global | ir.FreeVar)
                if named and isinstance(value.value, float | tuple):
                    assign.value, changed = ir.Const(single(value.value), value.loc), True
        return changed


def single(value: V) -> V:
    """What a kernel is called with, its floats in single precision, in tuples too."""
    if isinstance(value, float):
        return cast(V, np.float32(value))
    if isinstance(value, tuple):
        parts = [single(part) for part in value]
        return cast(V, type(value)(*parts) if hasattr(value, "_fields") else tuple(parts))
    return value


class _Compiler(CompilerBase):
    """Numba's own compiler in single precision."""

    def define_pipelines(self) -> list[Any]:
        """As numba asks for it."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_SinglePrecision, IRProcessing)
        passes.finalize()
        return [passes]


def jit(function: F) -> F:
    """Compile a kernel on its first call, or take it as it was kept.

    Numba takes a float constant in the source as double precision, and with it all that it is
    counted together with; here it is of single precision, as the arrays are. Whole numbers are
    still doubles where they meet floats: write ``1.0 - x``.
    """
    return _compiled(function, forceinline=False)


def inlined(function: F) -> F:
    """As `jit`, for a small kernel that others call at every pixel: it is compiled into them."""
    return _compiled(function, forceinline=True)


def _compiled(function: F, forceinline: bool) -> F:
    compiled: Any = numba.njit(
        fastmath=True, nogil=True, error_model="numpy", forceinline=forceinline,
        pipeline_class=_Compiler,
    )(function)  # fmt: skip
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
    files = {Path(code.co_filename), Path(__file__)}
    return files.union(*(_files(one.py_func) for one in called if isinstance(one, Dispatcher)))


class _Named(_Anywhere, caching.UserProvidedCacheLocator):
    pass


class _BesideSource(_Anywhere, caching.InTreeCacheLocator):
    pass


class _OfUser(_Anywhere, caching.UserWideCacheLocator):
    pass
