"""How far apart are the perceptual hashes of a set's images? Says which threshold is safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synfer_core.data import manifest
from synfer_core.data.duplicates import BITS
from synfer_core.data.manifest import MANIFEST
from synfer_core.errors import DataError

MOST = 2000
"""Images that are compared, each with each: the first of the set."""

PERCENTILES = (0.1, 1.0, 50.0)


def distances(folder: Path) -> dict[str, Any]:
    """Bits in which two images of a set differ: the least, and percentiles over pairs.

    Near-duplicates that a build took out do not count.

    Raises:
        DataError: The set has fewer than two images.
    """
    kept = [r for r in manifest.read(folder / MANIFEST) if r.kept and r.hash][:MOST]
    if len(kept) < 2:
        raise DataError("there is nothing to compare", field=str(folder))
    packed = np.array([list(bytes.fromhex(str(r.hash))) for r in kept], np.uint8)
    found = np.concatenate(
        [
            np.bitwise_count(packed[i] ^ packed[i + 1 :]).sum(axis=1, dtype=np.int64)
            for i in range(len(packed) - 1)
        ]
    )
    return {
        "images": len(kept),
        "bits": BITS,
        "least": int(found.min()),
        "percentiles": {str(p): float(np.percentile(found, p)) for p in PERCENTILES},
    }
