"""What is in a data set, summed over the journal's notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Tally:
    """Counts of a data set.

    Attributes:
        images: Images of the source.
        records: Those that are in the data set.
        counts: ``kind:value``, such as ``expression:fear``, to records.
        reasons: Reason to images left out.
        files: Shard file to its SHA-256.
    """

    images: int = 0
    records: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Images left out."""
        return sum(self.reasons.values())

    def add(self, note: Mapping[str, Any]) -> Self:
        """With one shard more."""
        return type(self)(
            self.images + note["images"],
            self.records + note["records"],
            Counter(self.counts) + Counter(note["counts"]),
            Counter(self.reasons) + Counter(entry["reason"] for entry in note["rejected"]),
            {**self.files, note["file"]: note["sha256"]},
        )

    def of(self, kind: str) -> dict[str, int]:
        """Value to records of one kind, the most frequent first."""
        found = {k.partition(":")[2]: n for k, n in self.counts.items() if k.startswith(f"{kind}:")}
        return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "images": self.images,
            "records": self.records,
            "counts": dict(sorted(self.counts.items())),
            "rejected": dict(sorted(self.reasons.items())),
            "shards": dict(self.files),
        }
