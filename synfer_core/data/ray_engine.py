"""Shards made by Ray actors, on one machine or many that share a folder (https://www.ray.io).

Plain actors and not Ray Data: the unit of work is a shard that its worker writes and renames
itself: nothing flows on to a next stage, blocks of images would only be carried about. A dead
actor must cost one shard, known by number. Actors keep the model loaded as `map_batches` would.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from synfer_core.data.engines import Event, Fault, build_shard
from synfer_core.data.making import Maker, Workshop
from synfer_core.errors import DependencyError

ADDRESS = "RAY_ADDRESS"
"""Environment variable with a running cluster's address; without it one is started here."""


class _Actor:
    """Holds the model; makes one shard after another."""

    def __init__(self, workshop: Workshop):
        self._workshop = workshop
        self._maker: Maker | None = None

    def build(self, folder: Path, number: int) -> Generator[Event, None, None]:
        self._maker = self._maker or self._workshop.open()
        yield from build_shard(self._maker, folder, number)


@dataclass
class RayEngine:
    """Ray actors with one CPU each; one that dies is replaced.

    Attributes:
        workshop: Opens a maker in each.
        workers: How many.
    """

    workshop: Workshop
    workers: int
    _idle: list[Any] = field(default_factory=list)
    _busy: dict[Any, tuple[Any, int]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start Ray, or join the cluster that ``RAY_ADDRESS`` names.

        Raises:
            DependencyError: Ray is not installed.
        """
        ray = _ray()
        options: dict[str, Any] = {"log_to_driver": False}
        if not os.environ.get(ADDRESS):
            options |= {"address": "local", "num_cpus": self.workers, "include_dashboard": False}
        ray.init(**options)
        return self

    def __exit__(self, *_: object) -> None:
        """End all actors and leave the cluster."""
        self._idle.clear()
        self._busy.clear()
        _ray().shutdown()

    def run(self, folder: Path, numbers: Iterable[int]) -> Generator[Event, None, None]:
        """See `Engine`."""
        ray = _ray()
        left = deque(numbers)
        while left or self._busy:
            while left and len(self._busy) < self.workers:
                self._give_out(folder.absolute(), left.popleft())
            ready, _ = ray.wait(list(self._busy), num_returns=1)
            for stream in ready:
                event = self._heard(ray, stream)
                if event is not None:
                    yield event

    def _give_out(self, folder: Path, number: int) -> None:
        actor = self._idle.pop() if self._idle else self._start()
        stream = actor.build.options(num_returns="streaming").remote(folder, number)
        self._busy[stream] = actor, number

    def _start(self) -> Any:
        return _ray().remote(_Actor).options(num_cpus=1, max_restarts=0).remote(self.workshop)

    def _heard(self, ray: Any, stream: Any) -> Event | None:
        """What an actor says; of a dead one, that its shard was not made.

        After a fault the actor goes: what is wrong with it may last, such as a limit it has met.
        """
        actor, number = self._busy[stream]
        try:
            event: Event = ray.get(next(stream))
        except StopIteration:
            del self._busy[stream]
            self._idle.append(actor)
            return None
        except ray.exceptions.RayError as error:
            event = Fault(number, " ".join(str(error).split())[:300])
        if isinstance(event, Fault):
            del self._busy[stream]
            ray.kill(actor)
        return event


def _ray() -> Any:
    """Ray.

    Raises:
        DependencyError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise DependencyError(
            "Ray is not installed", field="--engine", allowed="pip install 'synfer-studio[ray]'"
        ) from error
    return ray
