"""A process that forks after a model has run: the child computes by itself, in one thread.

A fork copies the memory of all threads and none of the threads. In the child, torch would wait for
ever for those that computed beside its own, and MediaPipe for those of its graph.
"""

from __future__ import annotations

import os
from functools import cache

import torch

from synfer_core.faces import landmarks


@cache
def make_safe() -> None:
    """Prepare this process for forks; once is enough.

    A fork while another thread computes still copies what that thread had locked.
    """
    os.register_at_fork(after_in_child=_alone)


def _alone() -> None:
    torch.set_num_threads(1)
    landmarks.start_anew()
