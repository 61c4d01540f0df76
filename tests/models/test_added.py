"""Naming backbones on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.errors import RequestError
from synfer_core.models.added import Added, parse_all


def test_a_folder_with_its_files() -> None:
    given = "sd15=models/a,b,adapter=u.safetensors,lora=l.safetensors"
    expected = Added("sd15", "models/a,b", Path("u.safetensors"), Path("l.safetensors"))
    assert Added.parse(given) == expected
    assert Added.parse("sd15=models/a,face=models/ip").face == Path("models/ip")
    assert Added.parse("sd=hub:org/model.v2").where == "hub:org/model.v2"


@pytest.mark.parametrize(
    "text",
    ["sd15", "=models", "sd15=", "SD=models", "builtin=models", "sd=hub:model", "sd=hub:../x",
     "sd=a,weights=b", "sd=a,adapter=", "sd=a,adapter=b,adapter=c"],
)  # fmt: skip
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="--backbone"):
        Added.parse(text)


def test_names_are_unique() -> None:
    assert [added.name for added in parse_all(["a=x", "b=x"])] == ["a", "b"]
    with pytest.raises(RequestError, match="a comes twice"):
        parse_all(["a=x", "a=y"])
