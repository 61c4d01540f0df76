"""What the scripts of checks share: a part that fails is missed, a quick sample is missed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.delitem(sys.modules, "checks", raising=False)
    import checks  # type: ignore[import-not-found]

    return checks  # type: ignore[no-any-return]


def test_the_table_says_what_is_met_missed_and_did_not_run(
    checks: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fine() -> Iterator[object]:
        yield checks.at_least("nearer, dB", 3, 3.5, 9, "synfer eval inversion")
        yield checks.at_most("seconds", 1, 1.25, 9, "synfer bench latency")

    def broken() -> Iterator[object]:
        raise KeyError("gain")

    parts = [checks.Part("edits", fine, alone=False), checks.Part("lost", broken)]
    out, table = tmp_path / "checks.json", tmp_path / "checks.md"
    assert checks.run(parts, out, quick=False, together=2, table=table) == 1
    told = json.loads(out.read_text())
    found = {check["name"]: check["met"] for check in told["checks"]}
    assert found == {"lost": False, "nearer, dB": True, "seconds": False}
    assert len(told["commit"]) == 40
    assert "| nearer, dB | 3.5 | at least 3 | 9 | reached |" in table.read_text()
    assert "3 checks, 2 missed" in capsys.readouterr().out


def test_a_small_sample_is_no_check(checks: ModuleType, tmp_path: Path) -> None:
    def fine() -> Iterator[object]:
        yield checks.at_least("nearer, dB", 3, 3.5, 2, "synfer eval inversion")

    part = checks.Part("edits", fine, sampled=True)
    assert checks.run([part], tmp_path / "a.json", quick=True) == 1
    assert checks.run([part], tmp_path / "b.json", quick=False) == 0
