"""What a large set would cost: an estimate from the time one image was measured to take."""

from __future__ import annotations

from dataclasses import dataclass


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
