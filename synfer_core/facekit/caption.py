"""placeholder, being written"""

from typing import Any


def attributes_in(text: str) -> dict[str, Any]:
    return {}
