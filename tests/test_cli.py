from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli
from synfer_core.cli import COMMANDS, build_parser, main
from synfer_core.facs import ACTION_UNITS
from synfer_core.report import read_recipe
from synfer_core.request import Recipe
from tests.faces.test_images import png_header

Lines = pytest.CaptureFixture[str]


def run_process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "synfer_core.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def help_of(command: str, capsys: Lines) -> str:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def examples(text: str) -> list[list[str]]:
    """The example commands at the end of a help text, without the program's name."""
    _, end = re.split(r"examples?:\n", text)
    commands = re.findall(r"^  synfer|&& synfer", end, re.MULTILINE)
    given = [shlex.split(part.split("\n")[0].split(">")[0]) for part in end.split("synfer ")[1:]]
    assert len(given) == len(commands)
    return [[word for word in words if word != "&&"] for words in given]


def test_overview_names_every_command(capsys: Lines) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {name}" in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_in_the_help_are_valid(command: str, capsys: Lines) -> None:
    given = examples(help_of(command, capsys))
    assert given
    for arguments in given:
        assert callable(build_parser(arguments[0]).parse_args(arguments).run)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_does_not_wait_for_heavy_libraries(command: str) -> None:
    code = (
        "import sys; from synfer_core.cli import main\n"
        f"try: main({[command, '--help'] if command else ['--help']})\n"
        "except SystemExit: print({'torch', 'diffusers', 'gradio', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "COMMAND"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("generate", "--out"),
        ("generate --out x.png --seed many", "--seed"),
        ("generate --out x.png --recipe a --batch b", "not allowed with"),
        ("annotate", "IMAGE"),
        ("serve --prot 80", "--prot"),
    ],
)
def test_usage_errors_are_one_line_and_a_hint(arguments: str, message: str, capsys: Lines) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second.startswith("try: synfer")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("--au AU99=1", "aus.AU99"),
        ("--au AU12=5.1", "aus.AU12"),
        ("--au AU12=-1", "aus.AU12"),
        ("--au AU12=nan", "aus.AU12"),
        ("--au AU12=1 --au AUL12=1", "aus.AUL12"),
        ("--au AU12=1 --au AU12=2", "aus.AU12"),
        ("--au AU12", "--au"),
        ("--au AU12=1 --facs 6C", "facs"),
        ("--facs 12Z", "facs"),
        ("--facs 16C", "aus.AU16"),
        ("--expression joy", "expression"),
        ("--steps 0", "steps"),
        ("--seed -1", "seed"),
        ("--size 7", "size"),
        ("--scene yaw=41", "scene.yaw"),
        ("--scene zoom=2", "scene.zoom"),
        ("--scene hair=maybe", "scene.hair"),
        ("--scene yaw", "--scene"),
        ("--scene yaw=1 --scene yaw=2", "scene.yaw"),
        ("--scene framing=head", "scene.framing"),
        (f"--text {'a' * 10_000}", "text"),
        ("--recipe none.json", "--recipe"),
        ("--recipe .", "--recipe"),
        ("--recipe bad.json", "colour"),
        ("--recipe cut.json", "recipe"),
        ("--out face.jpg", "--out"),
        ("--out none/face.png", "--out"),
        ("--report none/face.json", "--report"),
        ("--batch empty.jsonl --out new", "--batch"),
        ("--batch bad.json --out new --seed 1", "--seed"),
        ("--batch bad.json --out new --enrich", "--enrich"),
        ("--text face --enrich", "expression"),
        ("--batch none.jsonl --out new", "--batch"),
        ("--models none", "reference-prior.safetensors"),
        ("--models cut", "reference-prior.safetensors"),
    ],
)
def test_bad_requests_name_the_field_and_make_nothing(
    arguments: str,
    field: str,
    capsys: Lines,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_model_folder: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text('{"colour": "red"}')
    Path("cut.json").write_text('{"text": "a wom')
    Path("empty.jsonl").write_text("\n")
    shutil.copytree(tiny_model_folder, "cut")
    weights = Path("cut/reference-prior.safetensors").read_bytes()
    Path("cut/reference-prior.safetensors").write_bytes(weights[: len(weights) // 2])
    before = sorted(Path().rglob("*"))
    given = ["generate", "--out", "face.png", "--models", str(tiny_model_folder)]
    assert main([*given, *arguments.split()]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {field}: ")
    assert sorted(Path().rglob("*")) == before


def test_the_examples_of_generate_work(
    capsys: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.json").write_text('{"seed": 5, "aus": {"AUL12": 4}, "steps": 2}')
    Path("recipes.jsonl").write_text('{"seed": 1, "steps": 2}\n{"seed": 2, "steps": 2}\n')
    for arguments in examples(help_of("generate", capsys)):
        if "--backbone" not in arguments:  # whose weights do not ship
            assert main([*arguments, "--models", str(tiny_model_folder)]) == 0
    made = {path.as_posix() for path in Path().rglob("*.*")}
    assert made >= {"smile.png", "wry.png", "wry.json", "face.png", "faces/000001.png"}
    assert not [name for name in made if "part" in name]
    assert read_recipe(Path("face.png").read_bytes()).action_units == {"AUL12": 4.0}
    report = json.loads(Path("wry.json").read_text())
    assert report["recipe"]["identity_seed"] == 7


def test_options_win_over_the_recipe_file(tmp_path: Path, tiny_model_folder: Path) -> None:
    recipe, out = tmp_path / "r.json", tmp_path / "face.png"
    recipe.write_text('{"seed": 5, "text": "a man", "guidance": {"au": 3.0}, "steps": 9}')
    models = str(tiny_model_folder)
    options = ["--seed", "6", "--steps", "2", "--recipe", str(recipe), "--models", models]
    assert main(["generate", "--out", str(out), *options]) == 0
    made = read_recipe(out.read_bytes())
    assert (made.seed, made.steps, made.text, made.guidance.au) == (6, 2, "a man", 3.0)


def test_enrich_prints_the_prompt_and_what_was_left_out(capsys: Lines) -> None:
    for arguments in examples(help_of("enrich", capsys))[:2]:
        assert main(arguments) == 0
        assert "lip corners pulled up strongly" in capsys.readouterr().out
    assert main(["enrich", "a man", "--facs", "+".join(f"{n}E" for n in ACTION_UNITS)]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert captured.err.startswith("note: left out")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("", "expression"),
        ("--expression joy", "expression"),
        ("--au AU12=4 --facs 6C", "facs"),
        ("--expression fear --model nowhere/at-all", "nowhere/at-all"),
    ],
)
def test_enrich_names_what_is_wrong(
    arguments: str, field: str, capsys: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["enrich", "a man", *arguments.split()]) == 2
    assert capsys.readouterr().err.startswith(f"error: {field}: ")


def test_generate_fills_the_enriched_text_in(
    tmp_path: Path, capsys: Lines, tiny_model_folder: Path
) -> None:
    out = tmp_path / "fear.png"
    fixed = ["--steps", "1", "--models", str(tiny_model_folder), "--out", str(out)]
    assert main(["generate", "--text", "a man", "--au", "AU12=4", "--enrich", *fixed]) == 0
    made = read_recipe(out.read_bytes())
    assert (made.text, made.enriched_text) == ("a man", "a man, lip corners pulled up strongly")
    assert f"enriched text: {made.enriched_text}" in capsys.readouterr().out


def test_a_bad_line_fails_the_batch_and_is_named(
    tmp_path: Path, capsys: Lines, tiny_model_folder: Path
) -> None:
    recipes, out = tmp_path / "r.jsonl", tmp_path / "out"
    recipes.write_text(
        '{"steps": 1}\n{"steps": 1, "backbone": "absent"}\n{"steps": 1, "seed": 3}\n'
    )
    code = main(
        ["generate", "--batch", str(recipes), "--out", str(out), "--models", str(tiny_model_folder)]
    )
    assert code == 1
    assert "error: line 1: backbone: " in capsys.readouterr().err
    entries = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [entry["ok"] for entry in entries] == [True, False, True]
    assert (out / "000002.png").is_file()


def test_a_batch_gives_the_pixels_of_single_runs(tmp_path: Path, tiny_model_folder: Path) -> None:
    recipe = Recipe.parse({"seed": 4, "steps": 2, "facs": "12D"})
    models = ["--models", str(tiny_model_folder)]
    (tmp_path / "r.jsonl").write_text(f'{{"steps": 1}}\n{recipe.to_json()}\n')
    (tmp_path / "r.json").write_text(recipe.to_json())
    batch, single = tmp_path / "out", tmp_path / "single.png"
    main(["generate", "--batch", str(tmp_path / "r.jsonl"), "--out", str(batch), *models])
    main(["generate", "--recipe", str(tmp_path / "r.json"), "--out", str(single), *models])
    with Image.open(batch / "000001.png") as one, Image.open(single) as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.fixture
def pictures(tmp_path: Path, tiny_model_folder: Path) -> Path:
    """A folder with one face of the tiny model's size, and files that only seem to be images."""
    Image.new("RGB", (128, 128), (150, 120, 100)).save(tmp_path / "face.png")
    (tmp_path / "text.png").write_text("I am a text\n")
    (tmp_path / "huge.png").write_bytes(png_header(50_000, 50_000))
    return tmp_path


def annotate(folder: Path, models: Path, *names: str, json_lines: bool = True) -> int:
    paths = [str(folder / name) for name in names]
    return main(["annotate", *paths, "--models", str(models), *["--json"] * json_lines])


def test_annotate_prints_one_object_for_each_image(
    pictures: Path, tiny_model_folder: Path, capsys: Lines
) -> None:
    names = ("face.png", "text.png", "huge.png", "face.png")
    assert annotate(pictures, tiny_model_folder, *names) == 1
    captured = capsys.readouterr()
    entries = [json.loads(line) for line in captured.out.splitlines()]
    assert [entry["ok"] for entry in entries] == [True, False, False, True]
    assert {"label", "readings", "notes"} <= set(entries[0])
    assert "pixels" in entries[2]["error"]["allowed"]
    assert captured.err.count("error: ") == 2


@pytest.mark.parametrize("name", ["text.png", "huge.png", "absent.png"])
def test_one_image_that_cannot_be_read(
    pictures: Path, tiny_model_folder: Path, capsys: Lines, name: str
) -> None:
    assert annotate(pictures, tiny_model_folder, name, json_lines=False) == 2
    assert f"error: {pictures / name}: " in capsys.readouterr().err


def test_interrupting_a_batch_leaves_whole_files_only(
    tmp_path: Path, tiny_model_folder: Path
) -> None:
    recipes, out = tmp_path / "r.jsonl", tmp_path / "out"
    recipes.write_text('{"steps": 100}\n' * 2000)
    with run_process(
        *("generate", "--batch", str(recipes), "--out", str(out)),
        *("--models", str(tiny_model_folder)),
    ) as process:
        deadline = time.monotonic() + 200
        while not (out / "000000.png").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert not (out / "manifest.jsonl").exists()
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            image.load()
    assert not list(out.glob(".*"))


def test_a_reader_that_leaves_is_no_error(pictures: Path, tiny_model_folder: Path) -> None:
    with run_process(
        *("annotate", *[str(pictures / "face.png")] * 20, "--json"),
        *("--models", str(tiny_model_folder)),
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "Broken" not in errors


def test_sigterm_ends_a_command_as_ctrl_c_does(
    monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    def run(arguments: list[str]) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "_run", run)
    assert main([]) == 143
    assert capsys.readouterr().err == "ended\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "synfer_core.cli", "enrich", "a man", "--expression", "fear"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "error: output: No space left on device\n")


def test_a_damaged_picture_is_one_line_whatever_its_decoder_says(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.new("RGB", (64, 64), "green").save(path)
    samples = bytes.fromhex("150103000100000003000000")
    assert samples in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(samples, bytes.fromhex("150103000100000001160000")))
    with run_process("provenance", str(path)) as process:
        _, errors = process.communicate(timeout=60)
    assert errors.count("\n") == 1
    assert f"{path}: is damaged" in errors
