"""What is kept for pages: an age, a number and a size, and what is at work or open."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from app.bounded_store import BoundedStore, Bounds, weigh
from app.settings import Settings
from synfer_core.request import Recipe


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A store of bytes, with what happened to it."""

    bounds: Bounds = field(default_factory=lambda: Bounds(10.0, 3, 100))
    open: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    closed: list[bytes] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def store(self) -> BoundedStore[bytes]:
        return BoundedStore(
            self.bounds,
            size=len,
            close=self.closed.append,
            alive=self.open.__contains__,
            held=self.busy.__contains__,
            clock=self.clock,
        )


@pytest.fixture
def world() -> World:
    return World()


def test_the_oldest_makes_room_for_too_many(world: World) -> None:
    store = world.store()
    for name in "abc":
        store.put(name, name.encode())
    assert store.get("a") == b"a", "asked for, so the newest"
    store.put("d", b"d")
    assert (store.names(), world.closed) == (["c", "a", "d"], [b"b"])


def test_the_oldest_makes_room_for_too_much(world: World) -> None:
    store = world.store()
    store.put("a", b"a" * 60)
    store.put("b", b"b" * 60)
    assert (store.names(), store.size) == (["b"], 60)
    store.put("c", b"c" * 200)
    assert store.names() == ["c"], "the newest stays, whatever its size"


def test_a_value_that_grew_is_measured_again() -> None:
    store = BoundedStore[list[int]](Bounds(10.0, 9, 100), size=len)
    store.put("a", [])
    growing = store.put("b", [])
    growing += [0] * 101
    assert "a" in store
    store.resize("b")
    assert store.names() == ["b"]


def test_age_counts_from_when_it_was_asked_for_last(world: World) -> None:
    store = world.store()
    store.put("a", b"a")
    store.put("b", b"b")
    world.clock.now = 9.0
    store.get("b")
    world.clock.now = 11.0
    store.sweep()
    assert (store.names(), world.closed) == (["b"], [b"a"])


def test_an_open_page_has_no_age_and_goes_last(world: World) -> None:
    store = world.store()
    for name in "abc":
        store.put(name, name.encode())
    world.open = {"a"}
    world_store = world.store()
    for name in "abcd":
        world_store.put(name, name.encode())
    assert world_store.names() == ["a", "c", "d"]
    world.clock.now = 1000.0
    world_store.sweep()
    assert world_store.names() == ["a"]
    world.open.clear()
    world.clock.now = 1011.0
    world_store.sweep()
    assert not len(world_store)


def test_what_is_at_work_stays(world: World) -> None:
    world.busy = {"a", "b"}
    store = world.store()
    for name in "abcdef":
        store.put(name, name.encode())
    assert store.names() == ["a", "b", "d", "e", "f"]
    world.clock.now = 100.0
    store.sweep()
    assert store.names() == ["a", "b"]


def test_what_is_replaced_is_closed_and_what_is_taken_is_not(world: World) -> None:
    store = world.store()
    store.put("a", b"1")
    store.put("a", b"2")
    assert store.take("a") == b"2"
    store.put("a", b"3")
    store.drop("a")
    store.drop("a")
    assert world.closed == [b"1", b"3"]
    assert [store.get("a"), store.find("a"), store.take("a")] == [None] * 3


def test_arrays_text_and_bytes_are_weighed_wherever_they_are() -> None:
    image = np.zeros((100, 100, 3), np.uint8)

    @dataclass(frozen=True)
    class Held:
        image: object
        more: dict[str, object]

    held = Held(image, {"again": image, "text": ["x" * 5000, b"y" * 5000], "no": None})
    assert 40_000 < weigh(held) < 42_000
    assert weigh(Recipe(text="w" * 1000)) > 1000
    assert weigh(None) == 0


def test_settings_give_the_limits() -> None:
    settings = Settings(page_minutes=2, open_pages=7, memory_mb=3, disk_mb=4)
    assert settings.in_memory == Bounds(120.0, 7, 3_000_000)
    assert settings.on_disk == Bounds(120.0, 7, 4_000_000)
