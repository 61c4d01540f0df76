"""Random recipes that use every field."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from synfer_core.facs import ACTION_UNITS, EXPRESSIONS
from synfer_core.request import MAX_SEED, PNG_DATA, Recipe

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
AUS = st.dictionaries(st.sampled_from([u.key for u in ACTION_UNITS.values()]), st.floats(0, 5))
SEEDS = st.integers(0, MAX_SEED)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def which(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One of these fields, or none."""
    single = [st.fixed_dictionaries({name: values}) for name, values in fields.items()]
    return st.one_of(st.just({}), *single)


SEMANTIC = some(
    classifier=st.just("image"),
    acts_on=st.sampled_from(["text", "both"]),
    first=st.floats(0, 0.5),
    last=st.floats(0.5, 1),
    every=st.integers(1, 100),
    fade=st.booleans(),
)
GUIDANCE = some(text=st.floats(1, 15), au=st.floats(1, 15), semantic=st.floats(0, 10))
SCENE = some(
    yaw=st.floats(-40, 40),
    pitch=st.floats(-20, 20),
    roll=st.floats(-20, 20),
    light=st.sampled_from(["studio", "side light"]),
    light_side=st.sampled_from(["left", "right"]),
    background=st.sampled_from(["wall", "transparent", "#0a0b0c"]),
    framing=st.sampled_from(["face", "head"]),
    glasses=st.sampled_from(["none", "round"]),
    hair=st.booleans(),
    beard=st.booleans(),
)
USUAL = some(
    version=st.just(1),
    backbone=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    text=st.text(max_size=200),
    enriched_text=st.text(max_size=100).map("a{}".format),
    negative_text=st.text(max_size=100),
    au_scale=st.floats(0, 2),
    variation=st.floats(0, 1),
    scheduler=st.sampled_from(["ddim", "dpm++"]),
    seed=SEEDS,
    size=st.integers(64, 1024),
    scene=SCENE,
    weights_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
)
FACS = st.lists(st.sampled_from(["6C", "L12D", "25B", "4E"]), unique=True).map("+".join)
GUIDED = st.fixed_dictionaries({"guidance": GUIDANCE, "semantic": SEMANTIC}, optional={}).flatmap(
    lambda given: st.sampled_from(EXPRESSIONS).map(lambda name: {**given, "expression": name})
)
REFERENCES = st.just("sample:ada") | st.binary(max_size=300).map(
    lambda data: PNG_DATA + base64.b64encode(PNG + data).decode()
)
WHO = which(identity_seed=SEEDS, identity_code=st.lists(st.floats(-9, 9), max_size=20)) | (
    st.fixed_dictionaries(
        {"identity_image": REFERENCES}, optional={"identity_scale": st.floats(0, 2)}
    )
)
EDIT = st.fixed_dictionaries(
    {"reference": REFERENCES, "steps": st.integers(2, 100)},
    optional={
        "reference_aus": AUS,
        "inversion_depth": st.floats(0.01, 1),
        "keep": st.floats(0, 1),
    },
)
FIELDS = st.tuples(
    *(USUAL, WHO, which(aus=AUS, facs=FACS), st.just({}) | GUIDED),
    some(steps=st.integers(1, 100)) | EDIT,
).map(lambda parts: {name: value for part in parts for name, value in part.items()})
recipes = FIELDS.map(Recipe.parse)
