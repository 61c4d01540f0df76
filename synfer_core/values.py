"""What all that is read into models has in common: true and false are no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_WORDS: Mapping[object, bool] = MappingProxyType(
    {"yes": True, "on": True, "no": False, "off": False}
)


def _switched(value: object) -> object:
    """The words that YAML 1.1 takes for true and false."""
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


Flag = Annotated[bool, Field(strict=True), BeforeValidator(_switched)]
"""True or false, or one of the words yes, no, on, off; no number."""


def _guard(schema: Any) -> None:
    """Put `_no_flag` before every number of a schema, in place."""
    guarded = isinstance(schema, dict) and schema.get("type") == "function-before"
    if guarded and schema["function"]["function"] is _no_flag:
        return
    parts = schema.values() if isinstance(schema, dict) else schema
    for part in list(parts):
        if isinstance(part, dict | list | tuple):
            _guard(part)
    if isinstance(schema, dict) and _takes_numbers(schema):
        number = dict(schema)
        schema.clear()
        schema.update(core_schema.no_info_before_validator_function(_no_flag, number))


def _takes_numbers(schema: Mapping[str, Any]) -> bool:
    kinds = set(map(type, schema.get("expected", ())))
    return schema.get("type") in ("int", "float") or (int in kinds and bool not in kinds)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a number, not true or false")
    return value


class Numeric(BaseModel):
    """A model whose numbers are numbers: pydantic alone takes true for 1."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        inner = handler.resolve_ref_schema(schema)
        _guard(inner)
        return schema
