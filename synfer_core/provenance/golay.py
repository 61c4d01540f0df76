"""The extended binary Golay code: 12 bits as 24, of which any three may be wrong.

Golay, *Notes on digital coding*, Proc. IRE 37 (1949), page 657; the construction from quadratic
residues modulo 11 follows Conway and Sloane, *Sphere Packings, Lattices and Groups*, chapter 3
(https://doi.org/10.1007/978-1-4757-6568-7).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

DATA_BITS = 12
CODE_BITS = 24
_RESIDUES = frozenset({0, 1, 3, 4, 5, 9})
"""Squares modulo 11, 0 among them."""


def encode(value: int) -> NDArray[np.int8]:
    """The codeword of a number.

    Args:
        value: 0 to 4095.

    Returns:
        (24,) int8 of +1 (a set bit) and -1.
    """
    word: NDArray[np.int8] = _codewords()[value]
    return word


def decode(evidence: NDArray[np.floating]) -> int:
    """The likeliest number, by correlation with all 4,096 codewords.

    Args:
        evidence: (24,) any scale; the sign says which bit, the size how surely.

    Returns:
        0 to 4095.
    """
    return int((_codewords() @ evidence).argmax())


@cache
def _codewords() -> NDArray[np.int8]:
    """(4096, 24) of +1 and -1, row i for the number i."""
    numbers = np.arange(1 << DATA_BITS)
    data = (numbers[:, None] >> np.arange(DATA_BITS)) & 1
    bits = np.concatenate([data, data @ _parity() % 2], axis=1)
    return (2 * bits - 1).astype(np.int8)


def _parity() -> NDArray[np.int64]:
    """(12, 12): a bordered circulant of the residues; each row of I|P weighs 8 or 12."""
    circulant = [[int((j - i) % 11 in _RESIDUES) for j in range(11)] for i in range(11)]
    bordered = np.ones((DATA_BITS, DATA_BITS), np.int64)
    bordered[0, 0] = 0
    bordered[1:, 1:] = circulant
    return bordered
