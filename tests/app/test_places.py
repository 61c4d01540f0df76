"""Folders in which pages build: their names, whose they are, and when they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.places import Places, checked
from synfer_core.errors import RequestError


@pytest.mark.parametrize(
    "name",
    ["", "..", ".", "a/b", "../a", "/etc", "a\\b", "a.b", "-a", "a b", "ä", "a" * 61, "a\n", 3],
)
def test_a_name_is_one_folder_and_no_path(name: object) -> None:
    with pytest.raises(RequestError) as caught:
        checked(name)
    assert caught.value.field == "name"


def test_lasting_folders_are_everybodys(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with places.using("one", "pilot-1") as folder:
        folder.mkdir()
    (tmp_path / "other.txt").touch()
    (tmp_path / ".hidden").mkdir()
    places.leave("one")
    assert folder == tmp_path / "pilot-1"
    assert places.names("two") == ["pilot-1"]
    (tmp_path / "away").symlink_to("/")
    with pytest.raises(RequestError, match="leads elsewhere"), places.using("one", "away"):
        pass


def test_a_pages_own_folders_go_when_it_leaves_and_nothing_goes_on_there() -> None:
    places = Places(None)
    assert places.names("one") == []
    with places.using("one", "a") as folder:
        folder.mkdir()
        assert places.names("one") == ["a"]
        assert places.names("two") == []
        places.leave("one")
        assert folder.is_dir(), "somebody works there"
    assert not folder.parent.exists()
    with places.using("one", "a") as another:
        assert another != folder
    places.leave("one")
    places.leave("one")
    assert not another.parent.exists()
