"""The data pack: ICT-FaceKit's public morphable model in one file.

ICT-FaceKit (https://github.com/USC-ICT/ICT-FaceKit, MIT licence, USC Institute for Creative
Technologies) ships OBJ files; `pack_checkout` turns a checkout into an .npz with the neutral mesh,
100 identity modes and the expression shapes as deltas, and keeps the licence beside them. The pack
that ships is the compact form (see `compact`) of such a file.
Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020
(https://arxiv.org/abs/2004.03458).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import DependencyError, PackError
from synfer_core.facekit import compact
from synfer_core.files import ASSETS, cache_folder, placed

REPOSITORY = "https://github.com/USC-ICT/ICT-FaceKit"
COMMIT = "da5f95a"
VARIABLE = "SYNFER_FACEKIT"
"""Environment variable that names a pack in place of the one that ships."""

SHIPPED = ASSETS / "facekit" / "ict_facekit.npz"
"""The pack that ships."""

_REMEDY = "an undamaged pack, such as the one in assets/facekit"

_ARRAYS = MappingProxyType(
    {
        "neutral": (2, "f"),
        "identity": (3, "f"),
        "identity_names": (1, "U"),
        "expression": (3, "f"),
        "expression_names": (1, "U"),
        "uv": (2, "f"),
        "tri": (2, "i"),
        "tri_uv": (2, "i"),
        "tri_part": (1, "i"),
        "tri_mat": (1, "i"),
        "tri_poly": (1, "i"),
        "part_names": (1, "U"),
        "material_names": (1, "U"),
        "vrange_names": (1, "U"),
        "vrange": (2, "i"),
        "lm68": (1, "i"),
        "license": (0, "U"),
        "credits": (0, "U"),
    }
)


@dataclass(frozen=True)
class Topology:
    """Where the parts of the mesh begin, as ICT-FaceKit's README lists them.

    Attributes:
        vertices: Number of vertices.
        polygons: First polygon of each part, by part name, in order, and ``end``.
        ranges: First and last vertex of each named vertex range.
    """

    vertices: int
    polygons: Mapping[str, int]
    ranges: Mapping[str, tuple[int, int]]


ICT_TOPOLOGY = Topology(
    vertices=26719,
    polygons=MappingProxyType(
        {
            "face": 0,
            "headneck": 9230,
            "mouthsocket": 11144,
            "eyesocket_L": 13226,
            "eyesocket_R": 13630,
            "gumstongue": 14034,
            "teeth": 17006,
            "sclera_L": 21496,
            "iris_L": 22296,
            "sclera_R": 23094,
            "iris_R": 23894,
            "lacrimal_L": 24692,
            "lacrimal_R": 24855,
            "eyeblend_L": 25018,
            "eyeblend_R": 25033,
            "eyeocc_L": 25048,
            "eyeocc_R": 25176,
            "lash_L": 25304,
            "lash_R": 25844,
            "end": 26384,
        }
    ),
    ranges=MappingProxyType(
        {
            "face": (0, 9408),
            "narrowface": (0, 6705),
            "headneck": (9409, 11247),
            "mouthsocket": (11248, 13293),
            "eyesocket_L": (13294, 13677),
            "eyesocket_R": (13678, 14061),
            "gumstongue": (14062, 17038),
            "teeth": (17039, 21450),
            "eye_L": (21451, 23020),
            "eye_R": (23021, 24590),
            "sclera_L": (21451, 22220),
            "iris_L": (22221, 23020),
            "sclera_R": (23021, 23790),
            "iris_R": (23791, 24590),
            "lacrimal_L": (24591, 24794),
            "lacrimal_R": (24795, 24998),
            "eyeblend_L": (24999, 25022),
            "eyeblend_R": (25023, 25046),
            "eyeocc_L": (25047, 25198),
            "eyeocc_R": (25199, 25350),
            "lash_L": (25351, 26034),
            "lash_R": (26035, 26718),
        }
    ),
)


@dataclass(frozen=True, eq=False)
class Pack:
    """A loaded pack. About 1 cm a unit, y up, +x is the subject's left.

    Attributes:
        arrays: The arrays of the file by name, see docs/facekit.md.
        sha256: Digest of the file, for caches and reports.
    """

    arrays: Mapping[str, NDArray[Any]]
    sha256: str

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def vertices_of(self, name: str) -> slice:
        """The vertex range called `name`, such as ``sclera_L``."""
        index = self.arrays["vrange_names"].tolist().index(name)
        first, last = self.arrays["vrange"][index]
        return slice(int(first), int(last) + 1)

    def part(self, name: str) -> int:
        """Number of the part called `name` in ``tri_part``."""
        return int(self.arrays["part_names"].tolist().index(name))


def locate(path: Path | None = None) -> Path:
    """The pack to use: `path`, else what $SYNFER_FACEKIT names, else a fetched one, else the one
    that ships.

    Raises:
        PackError: It is not there.
    """
    named = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    fetched = fetched_path()
    found = named or (fetched if fetched.is_file() else SHIPPED)
    if not found.is_file():
        raise PackError(
            f"no FaceKit pack at {found}; name one in {VARIABLE} or run `synfer facekit fetch`",
            field=VARIABLE,
            allowed="a file made by `synfer facekit pack`",
        )
    return found


def fetched_path() -> Path:
    """Where `fetch` puts the pack."""
    return cache_folder() / "ict_facekit.npz"


def load(path: Path | None = None) -> Pack:
    """Read and check a pack, full or compact.

    Raises:
        PackError: The file is missing, truncated or not a pack.
    """
    found = locate(path)
    try:
        content = found.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise PackError(
            f"{found} cannot be read: {error}", field=VARIABLE, allowed=_REMEDY
        ) from error
    if compact.is_compact(arrays):
        arrays = compact.expanded(arrays)
    _check(arrays, found)
    return Pack(MappingProxyType(arrays), hashlib.sha256(content).hexdigest())


def digest(path: Path | None = None) -> str:
    """The SHA-256 of a pack's file, unread; see `locate`.

    Raises:
        PackError: It is not there.
    """
    return hashlib.sha256(locate(path).read_bytes()).hexdigest()


def _check(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    for name, (dimensions, kind) in _ARRAYS.items():
        if name not in arrays:
            raise PackError(f"{path} lacks the array {name!r}", field=VARIABLE)
        if arrays[name].ndim != dimensions or arrays[name].dtype.kind != kind:
            raise PackError(f"{path}: the array {name!r} has the wrong form", field=VARIABLE)
    count = len(arrays["neutral"])
    for name in ("identity", "expression"):
        if arrays[name].shape[1:] != (count, 3):
            raise PackError(f"{path}: {name} does not fit the mesh", field=VARIABLE)
    if arrays["tri"].max() >= count or arrays["tri_uv"].max() >= len(arrays["uv"]):
        raise PackError(f"{path}: a triangle points outside the mesh", field=VARIABLE)


# --- building a pack --------------------------------------------------------------------------


def fetch(target: Path | None = None, *, url: str = REPOSITORY, commit: str = COMMIT) -> Path:
    """Clone ICT-FaceKit at the pinned commit and build the pack.

    Raises:
        DependencyError: git is not installed.
        PackError: The clone failed or is not as expected.
    """
    target = target or fetched_path()
    with tempfile.TemporaryDirectory(prefix="synfer-facekit-") as folder:
        checkout = Path(folder) / "ICT-FaceKit"
        _git("clone", "--quiet", url, str(checkout))
        _git("-C", str(checkout), "checkout", "--quiet", commit)
        return pack_checkout(checkout, target)


def _git(*arguments: str) -> None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DependencyError("git is not installed", field="git") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PackError(f"git failed: {last}", field="fetch")


def pack_checkout(checkout: Path, out: Path, topology: Topology = ICT_TOPOLOGY) -> Path:
    """Build a full pack from a checkout of ICT-FaceKit; the file appears whole or not at all.

    Raises:
        PackError: A file is missing, unreadable or does not fit the mesh.
    """
    arrays = _checkout_arrays(checkout, topology)
    half = {name: arrays[name].astype(np.float16) for name in ("identity", "expression")}
    _check(arrays, out)
    _write({**arrays, **half}, out)
    return out


@dataclass(frozen=True)
class Compacted:
    """A compact pack, and how far it lies from its source.

    Attributes:
        path, size: The file, and its bytes.
        shapes: With any single shape at full weight.
        people: With drawn people and drawn expressions.
    """

    path: Path
    size: int
    shapes: compact.Departure
    people: compact.Departure


def pack_compact(
    source: Path, out: Path, *, people: int = 200, topology: Topology = ICT_TOPOLOGY
) -> Compacted:
    """Build a compact pack; the file appears whole or not at all.

    Args:
        source: A checkout of ICT-FaceKit, or a full pack made from one.
        out: The file to write.
        people: How many to draw for `Compacted.people`.
        topology: Of the checkout.

    Raises:
        PackError: The source is not as expected, or a vertex would move by more than
            `compact.LIMIT`.
    """
    arrays = _checkout_arrays(source, topology) if source.is_dir() else load(source).arrays
    _check(arrays, source)
    steps = compact.compacted(arrays)
    again = compact.expanded(steps)
    shapes = compact.of_shapes(arrays, again)
    if shapes.largest > compact.LIMIT:
        raise PackError(
            f"{shapes.where} would move a vertex by {shapes.largest:.4f} cm",
            field=str(source),
            allowed=f"at most {compact.LIMIT} cm",
        )
    _write(steps, out)
    return Compacted(out, out.stat().st_size, shapes, compact.of_people(arrays, again, people))


def _checkout_arrays(checkout: Path, topology: Topology) -> dict[str, NDArray[Any]]:
    """The arrays of a pack, with float32 offsets."""
    folder = checkout / "FaceXModel"
    mesh = _read_obj(folder / "generic_neutral_mesh.obj")
    if len(mesh.vertices) != topology.vertices or len(mesh.polygons) != topology.polygons["end"]:
        raise PackError(
            f"the mesh has {len(mesh.vertices)} vertices and {len(mesh.polygons)} polygons",
            field=str(folder),
            allowed=f"{topology.vertices} and {topology.polygons['end']}",
        )
    identities = sorted(p.stem for p in folder.glob("identity*.obj"))
    others = {"generic_neutral_mesh", *identities}
    expressions = sorted(p.stem for p in folder.glob("*.obj") if p.stem not in others)
    if not identities or not expressions:
        raise PackError("no identity or expression shapes", field=str(folder))
    return {
        "neutral": mesh.vertices.astype(np.float32),
        "identity": _deltas(folder, identities, mesh),
        "identity_names": np.array(identities),
        "expression": _deltas(folder, expressions, mesh),
        "expression_names": np.array(expressions),
        "lm68": _landmarks(folder / "vertex_indices.json", len(mesh.vertices)),
        "license": np.array(_read_text(checkout / "LICENSE")),
        "credits": np.array(_read_text(checkout / "CREDITS.md")),
        **_faces(mesh, topology),
    }


@dataclass(frozen=True, eq=False)
class _Mesh:
    vertices: NDArray[np.float64]
    uv: NDArray[np.float64]
    polygons: list[list[tuple[int, int]]]
    materials: list[str]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"cannot be read: {error}", field=str(path)) from error


def _read_obj(path: Path) -> _Mesh:
    """Vertices, UVs, polygons as (vertex, uv) pairs, and the material of each polygon."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    polygons: list[list[tuple[int, int]]] = []
    materials: list[str] = []
    material = ""
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        word, _, rest = line.partition(" ")
        try:
            if word == "v":
                vertices.append([float(x) for x in rest.split()[:3]])
            elif word == "vt":
                uv.append([float(x) for x in rest.split()[:2]])
            elif word == "usemtl":
                material = rest.strip()
            elif word == "f":
                polygons.append([_corner(c) for c in rest.split()])
                materials.append(material)
        except (ValueError, IndexError) as error:
            raise PackError(f"line {number} is not OBJ", field=str(path)) from error
    if not vertices or any(len(v) != 3 for v in vertices):
        raise PackError("holds no vertices", field=str(path))
    return _Mesh(np.array(vertices), np.array(uv), polygons, materials)


def _corner(text: str) -> tuple[int, int]:
    vertex, uv = text.split("/")[:2]
    return int(vertex) - 1, int(uv) - 1


def _deltas(folder: Path, names: list[str], mesh: _Mesh) -> NDArray[np.float32]:
    deltas = np.empty((len(names), *mesh.vertices.shape), np.float32)
    for row, name in enumerate(names):
        vertices = _read_vertices(folder / f"{name}.obj")
        if vertices.shape != mesh.vertices.shape:
            raise PackError("does not fit the neutral mesh", field=str(folder / f"{name}.obj"))
        deltas[row] = vertices - mesh.vertices
    return deltas


def _read_vertices(path: Path) -> NDArray[np.float64]:
    rows = [line[2:] for line in _read_text(path).splitlines() if line.startswith("v ")]
    try:
        return np.array(" ".join(rows).split(), np.float64).reshape(-1, 3)
    except ValueError as error:
        raise PackError("its vertices cannot be read", field=str(path)) from error


def _landmarks(path: Path, count: int) -> NDArray[np.int32]:
    try:
        indices = np.array(json.loads(_read_text(path))["idx_to_landmark_verts"], np.int32)
    except (ValueError, KeyError, TypeError) as error:
        raise PackError("holds no landmark indices", field=str(path)) from error
    if indices.shape != (68,) or indices.min() < 0 or indices.max() >= count:
        raise PackError("does not hold 68 landmarks of the mesh", field=str(path))
    return indices


def _faces(mesh: _Mesh, topology: Topology) -> dict[str, NDArray[Any]]:
    """Polygons cut into fans of triangles, with their part, material and polygon number."""
    names = [name for name in topology.polygons if name != "end"]
    starts = np.array([topology.polygons[name] for name in names])
    materials = list(dict.fromkeys(mesh.materials))
    rows = [
        (corners[0], corners[i], corners[i + 1], number)
        for number, corners in enumerate(mesh.polygons)
        for i in range(1, len(corners) - 1)
    ]
    pairs = np.array([row[:3] for row in rows], np.int32)
    polygon = np.array([row[3] for row in rows], np.int32)
    return {
        "uv": mesh.uv.astype(np.float32),
        "tri": np.ascontiguousarray(pairs[..., 0]),
        "tri_uv": np.ascontiguousarray(pairs[..., 1]),
        "tri_part": (np.searchsorted(starts, polygon, side="right") - 1).astype(np.int8),
        "tri_mat": np.array([materials.index(m) for m in mesh.materials], np.int8)[polygon],
        "tri_poly": polygon,
        "part_names": np.array(names),
        "material_names": np.array(materials),
        "vrange_names": np.array(list(topology.ranges)),
        "vrange": np.array(list(topology.ranges.values()), np.int32),
    }


def _write(arrays: Mapping[str, NDArray[Any]], out: Path) -> None:
    """An .npz as np.load reads it, in the same bytes each time, compressed as well as zlib can."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        placed(out) as aside,
        zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name, value in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w") as file:
                np.lib.format.write_array(file, value, allow_pickle=False)
