"""How many images a second do N single-threaded workers make, against one?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synfer_core.data.engines import Engine
from synfer_core.data.manifest import Record
from synfer_core.data.plan import Plan
from synfer_core.errors import DataError


@dataclass
class Pace:
    """Images a second while all workers work: their start and their end do not count.

    Attributes:
        ends: Images left out at the beginning and at the end.
        times: When each image was made, in seconds.
    """

    ends: int
    times: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Images a second.

        Raises:
            DataError: There are too few.
        """
        steady = self.times[self.ends : -self.ends]
        if len(steady) < 2:
            raise DataError("too few images to tell", field="counts")
        return (len(steady) - 1) / (steady[-1] - steady[0])


def pace(plan: Plan, folder: Path, engine: Engine, workers: int) -> float:
    """Images a second of an engine, in a new folder."""
    measured = Pace(ends=workers * plan.spec.shard)
    folder.mkdir(parents=True)
    with engine as working:
        for event in working.run(folder, range(plan.shards)):
            if isinstance(event, Record):
                measured.times.append(time.monotonic())
    return measured.rate


def compare(
    plan: Plan, folder: Path, start: Callable[[int], Engine], workers: int
) -> dict[str, Any]:
    """One worker, many, and one again, so that a machine that slows down shows."""
    rates = {
        name: pace(plan, folder / name, start(count), count)
        for name, count in (("one", 1), ("many", workers), ("one-again", 1))
    }
    ratio = 2 * rates["many"] / (rates["one"] + rates["one-again"])
    return {
        "workers": workers,
        "images_per_second": {name: round(rate, 4) for name, rate in rates.items()},
        "ratio": round(ratio, 3),
    }
