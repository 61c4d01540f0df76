"""No name of a file reaches a terminal raw, and no line of MediaPipe's that says all is well."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from synfer_core.cli import main
from synfer_core.terminal import control, one_line, plain, screened, without_chatter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\rb\x07\x9b", r"a\rb\x07\x9b"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\udcff", r"a\udcff"),
        ("ünïcode 微笑 \t\n", "ünïcode 微笑 \t\n"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_screen_makes_all_plain_but_our_own(capsys: pytest.CaptureFixture[str]) -> None:
    with screened():
        print("a\x1bb")
        print("c\x1bd", file=sys.stderr)
        control("\r1/2\x1b[K")
    out, err = capsys.readouterr()
    assert (out, err) == ("a\\x1bb\n", "c\\x1bd\n\r1/2\x1b[K")


def test_names_in_errors_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid", "\x1b[31mno.yaml", "--out", "a.png"]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\\x1b[31mno.yaml" in err


def test_chatter_is_dropped_and_all_else_follows(capfd: pytest.CaptureFixture[str]) -> None:
    said = (
        b"WARNING: Logging before InitGoogle() is written to STDERR\n",
        b"W0000 00:00:1796083728.4 10477 face_landmarker_graph.cc:181] Sets\n",
        b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
        b"E0000 00:00:1796083728.4 10477 gl.cc:1] no GL\n",
    )
    with without_chatter():
        for line in said:
            os.write(2, line)
        other = threading.Thread(target=os.write, args=(2, b"error: another thread\n"))
        other.start()
        other.join()
    os.write(2, b"after\n")
    err = capfd.readouterr().err
    assert err.encode() == said[3] + b"error: another thread\nafter\n"


def test_a_name_cannot_look_like_a_line() -> None:
    assert one_line("a\nerror: all is well\x1b.png") == r"a\nerror: all is well\x1b.png"
