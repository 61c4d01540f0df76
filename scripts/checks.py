"""What the scripts of checks share: a check, parts that yield checks, and the table they end in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
SYNFER = [sys.executable, "-m", "synfer_core.cli"]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What is checked.
        target: What it is to be.
        value: What it is; None where it did not run.
        n: Sample size.
        met: Whether it is reached; None where there is no target.
        source: The command behind it.
    """

    name: str
    target: str | None
    value: float | str | None
    n: int
    met: bool | None
    source: str


Yield = Callable[[], Iterator[Check]]


@dataclass(frozen=True)
class Part:
    """Checks that one measurement gives.

    Attributes:
        name: What is measured.
        checks: Measures, and yields the checks.
        alone: Whether it is to have the machine for itself, since it takes times.
        sampled: Whether a quick run takes a smaller sample, so that its checks count as missed.
    """

    name: str
    checks: Yield
    alone: bool = True
    sampled: bool = False


def at_least(name: str, least: float, value: float, n: int, source: str) -> Check:
    """A check that is met from a value on."""
    return Check(name, f"at least {least:g}", round(value, 4), n, value >= least, source)


def at_most(name: str, most: float, value: float, n: int, source: str) -> Check:
    """A check that is met up to a value."""
    return Check(name, f"at most {most:g}", round(value, 4), n, value <= most, source)


def markdown(checks: Sequence[Check]) -> str:
    """A table for the documentation."""
    words = {True: "reached", False: "missed", None: ""}
    rows = [f"| {c.name} | {c.value} | {c.target or ''} | {c.n} | {words[c.met]} |" for c in checks]
    head = ["| check | value | target | sample | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def run(
    parts: Sequence[Part],
    out: Path,
    *,
    quick: bool,
    together: int = 1,
    table: Path | None = None,
) -> int:
    """Run all parts and write their checks; 1 where one is missed.

    Args:
        parts: What to measure; those that are to be alone come first.
        out: Where the table is written, as JSON.
        quick: Whether samples are small.
        together: How many of the others are measured at once, each on one thread.
        table: Where the checks are written as Markdown, too.
    """
    head = git("rev-parse", "HEAD")
    alone = [_tried(part, quick) for part in parts if part.alone]
    with ThreadPoolExecutor(together) as pool:
        others = list(pool.map(lambda p: _tried(p, quick), [p for p in parts if not p.alone]))
    checks = [check for found in (*alone, *others) for check in found]
    report = {
        "commit": head,
        "changes_in_no_commit": bool(git("status", "--porcelain")),
        "quick": quick,
        "cores": os.cpu_count(),
        "checks": [asdict(check) for check in checks],
    }
    if table is not None:
        table.write_text(markdown(checks), encoding="utf-8")
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = [check for check in checks if check.met is False]
    print(f"{len(checks)} checks, {len(missed)} missed, written to {out}")
    return 1 if missed else 0


def _tried(part: Part, quick: bool) -> list[Check]:
    """The checks of a part; one that fails to run is missed."""
    start = time.monotonic()
    print(f"{part.name} ...", file=sys.stderr, flush=True)
    try:
        checks = list(part.checks())
    except (subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
        checks = [Check(part.name, None, None, 0, False, f"failed to run: {error}")]
    if quick and part.sampled:
        checks = [c if c.met is None else replace(c, met=False) for c in checks]
    lines = [f"  {c.name}: {c.value} (target {c.target}), n = {c.n}: {c.met}" for c in checks]
    lines += [f"  {c.source}" for c in checks if c.value is None]
    print("\n".join(lines), flush=True)
    print(f"  {part.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return checks


def held_by_tests(
    name: str, nodes: Sequence[str], most: Mapping[str, float] | None = None
) -> Iterator[Check]:
    """A check that tests hold: all of their cases pass and none is skipped.

    Args:
        name: What is checked.
        nodes: Files or options for pytest.
        most: Largest values of what the tests may measure, by name; each that they do measure is
            a check of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        pytest = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *nodes]
        subprocess.run(pytest, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        raise ValueError(f"pytest wrote no suite for {name}")
    count, failed, errors, skipped = (
        int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
    )
    passed = count - failed - errors - skipped
    met = count > 0 and passed == count
    source = f"pytest {' '.join(nodes)}"
    yield Check(name, "all pass", f"{passed} of {count} pass", count, met, source)
    found = {p.get("name"): p.get("value", "nan") for p in suite.iter("property")}
    for what, limit in (most or {}).items():
        if what in found:
            yield at_most(f"{name}: {what}", limit, float(found[what]), count, source)


def measured(
    command: Sequence[str], *, threads: int | None = None, keep: Path | None = None
) -> dict[str, Any]:
    """What a measuring command of `synfer` writes.

    Args:
        command: After ``synfer``, without ``--json``.
        threads: How many it may use; None leaves it the machine.
        keep: A folder for what it writes, under the command's name.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = (keep or Path(folder)) / f"{command[1]}.json"
        output([*SYNFER, *command, "--json", str(file.resolve())], threads=threads)
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def output(command: Sequence[str], *, threads: int | None = None) -> str:
    """What a command prints, without variables that would change what is measured.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYNFER_")}
    if threads is not None:
        environment |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def git(*words: str) -> str:
    """What git says of this repository."""
    command = [shutil.which("git") or "git", *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()
