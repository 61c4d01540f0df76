"""A process that forks after a model has run: its child makes the same picture and ends."""

from __future__ import annotations

import subprocess
import sys

WORK = """
import os, sys, torch
torch.set_num_threads(2)
import numpy as np
from synfer_core import forking
from synfer_core.faces import landmarks
forking.make_safe()
forking.make_safe()
picture = np.zeros((64, 64, 3), np.uint8)

def work():
    product = torch.ones(600, 600) @ torch.ones(600, 600)
    return float(product.sum()), len(landmarks.shared_landmarker().detect(picture))

before = work()
child = os.fork()
if child == 0:
    os._exit(0 if work() == before and torch.get_num_threads() == 1 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or int(work() != before))
"""


def test_a_child_works_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
