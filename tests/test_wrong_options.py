"""An option that is wrong is named before any model is looked for: here none is to be found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.cli import main
from synfer_core.facekit import pack
from synfer_core.faces import landmarks

Lines = pytest.CaptureFixture[str]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo, specifications and no model, not even MediaPipe's or FaceKit's."""
    for variable in (landmarks.VARIABLE, pack.VARIABLE):
        monkeypatch.setenv(variable, str(tmp_path / "absent"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "photos/a.png")
    (tmp_path / "set.yaml").write_text("identities: [1]\nexpressions: [happiness]\n")
    (tmp_path / "bad.yaml").write_text("identities: many\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ("generate --facs 99C --out a.png", "AU99"),
        ("generate --au AU12=9 --out a.png", "AU12"),
        ("generate --expression glee --out a.png", "expression"),
        ("generate --size 9 --out a.png", "size"),
        ("generate --facs 6C --out a.jpg", "--out"),
        ("generate --facs 6C --out nowhere/a.png", "--out"),
        ("generate --facs 6C --face absent.png --out a.png", "absent.png"),
        ("generate --facs 6C --backbone x=absent --out a.png", "absent"),
        ("generate --facs 6C --backbone nothing --out a.png", "backbone"),
        ("generate --batch absent.jsonl --out faces", "absent.jsonl"),
        ("generate --recipe absent.json --out a.png", "absent.json"),
        ("edit photos/a.png --au AU12=9 --out a.png", "AU12"),
        ("edit photos/a.png --facs 12C --steps 0 --out a.png", "steps"),
        ("edit photos/a.png --facs 12C --depth 3 --out a.png", "depth"),
        ("edit photos/a.png --expression glee --out a.png", "expression"),
        ("edit absent.png --facs 12C --out a.png", "absent.png"),
        ("edit photos/a.png --facs 12C --out nowhere/a.png", "--out"),
        ("annotate photos --csv nowhere/t.csv", "--csv"),
        ("annotate photos --style openface", "--style"),
        ("annotate photos --csv t.csv --style faces", "--style"),
        ("annotate photos --label glee", "--label"),
        ("stimuli absent.yaml --out set", "absent.yaml"),
        ("stimuli bad.yaml --out set", "identities"),
        ("stimuli set.yaml --out nowhere/set.zip", "--out"),
        ("stimuli --from-csv absent.csv --out set", "absent.csv"),
        ("grid absent.yaml --out a.png", "absent.yaml"),
        ("grid bad.yaml --out a.png", "rows"),
        ("morph --facs 99C --out m.zip", "AU99"),
        ("morph --facs 12C --frames 1 --out m.zip", "frames"),
        ("morph --facs 12C --fps 0 --out m.zip", "fps"),
        ("morph --facs 12C --steps 0 --out m.zip", "steps"),
        ("data build absent.yaml --out set", "absent.yaml"),
        ("data build set.yaml --out set", "counts"),
        ("fetext build photos --out set --aus absent.csv", "absent.csv"),
        ("fetext build photos --out set --upscaler spandrel:absent.pth", "--upscaler"),
        ("fetext build photos --out set --captioner ./absent", "absent"),
        ("fetext build photos --out set --size 1", "size"),
        ("fetext build photos --out set --quality 0", "quality"),
        ("fetext build nowhere --out set", "nowhere"),
        ("lab supervised --train nowhere --test photos --out run", "nowhere"),
        ("facekit sheet a.png --kind nothing", "kind"),
        ("facekit sheet a.png --size 5", "size"),
        ("facekit sheet nowhere/a.png", "nowhere"),
        ("facekit render set --size 5", "size"),
        ("facekit render set --distribution odd", "distribution"),
        ("facekit samples nowhere", "nowhere"),
        ("facekit cards nowhere", "nowhere"),
        ("facekit pack photos/a.png out.npz", "source"),
        ("facekit pack --compact photos out.npz", "FaceXModel"),
        ("facekit pack photos nowhere/out.npz", "out"),
        ("eval control --images 0", "images"),
        ("eval control --json nowhere/f.json", "nowhere"),
        ("bench latency --runs 0", "runs"),
        ("bench render --sizes 5", "size"),
        ("serve --port 99999999", "port"),
    ],
)
def test_the_option_is_named(desk: Path, capsys: Lines, command: str, field: str) -> None:
    words = command.split()
    if words[0] in {"generate", "edit", "annotate", "stimuli", "grid", "morph"} or words[:2] in (
        ["data", "build"],
        ["fetext", "build"],
        ["eval", "control"],
        ["bench", "latency"],
    ):
        words += ["--models", str(desk / "no-models")]
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr().err
    assert code == 2, said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert field in line
    assert "no-models" not in said
    assert "SYNFER" not in said
