"""``synfer`` as one of two processes whose clocks disagree; `test_placement` launches it."""

from __future__ import annotations

import os
import sys

from synfer_core import cli
from synfer_core.training import loop

SHARES = {"0": (0.0, 0.5), "1": (0.0, 0.2, 0.4, 0.6)}
"""Of the budget, by the rank of the process that reads its clock."""

if __name__ == "__main__":
    loop._budget = lambda minutes: iter(SHARES[os.environ["RANK"]])
    sys.exit(cli.main(sys.argv[1:]))
