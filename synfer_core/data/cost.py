"""What a large set would cost: an estimate from the time one image was measured to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from synfer_core.data.spec import DataSet

ACCEPTANCE, DUPLICATES = 0.85, 0.01
"""Assumed where nothing was measured: of images that pass a verdict, and of near-duplicates."""

GUIDED = 2.0
"""By how much a guiding classifier lengthens a step, about."""


@dataclass(frozen=True)
class Estimate:
    """Time and cost of a set, under assumptions that are all in here.

    Attributes:
        images: Images wanted.
        seconds: Seconds one worker takes for one image, its readings and its file.
        acceptance: Share of the images made that pass the verdict, 0 to 1.
        duplicates: Share of those that go as near-duplicates, 0 to 1.
        efficiency: Throughput of N workers as a share of N times one's.
        price: Of one worker's hour; any currency.
    """

    images: int
    seconds: float
    acceptance: float = 1.0
    duplicates: float = 0.0
    efficiency: float = 0.95
    price: float = 0.0

    @classmethod
    def of(cls, spec: DataSet, images: int, seconds: float) -> Self:
        """What a recipe's set is likely to take one worker, with the assumptions above.

        Args:
            spec: The recipe.
            images: Images it asks for.
            seconds: Of an image without semantic guidance.
        """
        judged = spec.verdicts.by != "none" and spec.aus.source != "uniform"
        return cls(
            images,
            seconds * (GUIDED if spec.strength else 1.0),
            acceptance=ACCEPTANCE if judged else 1.0,
            duplicates=0.0 if spec.distance is None else DUPLICATES,
        )

    @property
    def made(self) -> float:
        """Images that have to be made: images / (acceptance (1 - duplicates))."""
        return self.images / (self.acceptance * (1 - self.duplicates))

    def hours(self, workers: int) -> float:
        """made x seconds / 3600 / workers, and by the efficiency where there are several."""
        share = 1.0 if workers == 1 else self.efficiency
        return self.made * self.seconds / 3600 / (workers * share)

    def cost(self, workers: int) -> float:
        """hours x workers x price."""
        return self.hours(workers) * workers * self.price

    def lines(self, workers: tuple[int, ...]) -> list[str]:
        """The estimate in words."""
        head = (
            f"estimate: {self.images:,} images, {self.made:,.0f} to be made "
            f"(acceptance {self.acceptance:.3f}, near-duplicates {self.duplicates:.3f}), "
            f"{self.seconds:g} s each, efficiency {self.efficiency:g}, {self.price:g} an hour"
        )
        return [
            head,
            *(
                f"  {n:>3} worker(s): {self.hours(n):>10,.1f} h  {self.hours(n) / 24:>8,.1f} days  "
                f"cost {self.cost(n):>10,.2f}"
                for n in workers
            ),
        ]
