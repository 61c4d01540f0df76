"""Work for a moment, off the event loop: reading what was sent, and drawing what is shown.

It has a few threads of its own, so that neither waiting for others nor many requests at once takes
them away, and so that the loop gets its turn between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="synfer-reading")


async def off_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function answers that takes no longer than a second or so.

    Raises:
        SynferError: From the function.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, partial(work, *args, **kwargs))
