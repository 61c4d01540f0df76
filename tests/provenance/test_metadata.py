from __future__ import annotations

from dataclasses import fields
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.provenance import metadata
from synfer_core.provenance.metadata import Origin
from synfer_core.request import Recipe

HASH = "ab" * 32
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
origins = st.builds(
    Origin,
    **{f.name: st.none() | (HASHES if "sha256" in f.name else WORDS) for f in fields(Origin)},
).filter(lambda origin: any(origin.to_dict().values()))


@given(origins)
def test_what_is_written_is_read(origin: Origin) -> None:
    packet = metadata.to_xmp(origin)
    assert metadata.parse_xmp(packet.encode()) == origin
    assert metadata.to_xmp(origin) == packet


@pytest.mark.parametrize(
    ("recipe", "term", "networks"),
    [
        ({}, "trainedAlgorithmicMedia", True),
        ({"reference": "sample:ada"}, "compositeWithTrainedAlgorithmicMedia", True),
        ({"backbone": "facekit"}, "algorithmicMedia", False),
    ],
)
def test_the_term_fits_what_was_made(recipe: dict[str, str], term: str, networks: bool) -> None:
    origin = metadata.origin_of(Recipe.parse(recipe), HASH)
    assert origin.source_type == f"http://cv.iptc.org/newscodes/digitalsourcetype/{term}"
    assert origin.term == term
    assert bool(origin.ai_system) is networks
    assert (origin.watermark, origin.label) == ("none", "none")


def test_the_packet_is_xmp_that_other_programs_read() -> None:
    packet = metadata.to_xmp(metadata.origin_of(Recipe(), HASH))
    assert packet.startswith("<?xpacket begin=")
    root = ElementTree.fromstring(packet)
    spaces = {"i": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"}
    assert root.tag == "{adobe:ns:meta/}xmpmeta"
    element = root.find(".//i:DigitalSourceType", spaces)
    assert element is not None
    assert element.text == metadata.TRAINED


SHORT = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF
 xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about=""
 xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {}</r:RDF></x:xmpmeta>"""


@pytest.mark.parametrize(
    "body",
    [
        f'e:DigitalSourceType="{metadata.TRAINED}"/>',
        f"><e:DigitalSourceType> {metadata.TRAINED}\n</e:DigitalSourceType></r:Description>",
        f'><e:DigitalSourceType r:resource="{metadata.TRAINED}"/></r:Description>',
    ],
    ids=["attribute", "element", "resource"],
)
def test_packets_of_other_programs_are_read(body: str) -> None:
    assert metadata.parse_xmp(SHORT.format(body).encode()) == Origin(source_type=metadata.TRAINED)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no xml",
        b"<a/>",
        b"\xff\xfe<a/>",
        SHORT.format("/>").encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + metadata.to_xmp(Origin(tool="t")).encode(),
        metadata.to_xmp(Origin(tool="t" * metadata.MAX_PACKET)).encode(),
        metadata.to_xmp(Origin(recipe_sha256="not a hash")).encode(),
    ],
)
def test_packets_that_say_nothing_are_passed_over(packet: bytes) -> None:
    assert metadata.parse_xmp(packet) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_passed_over(packet: bytes) -> None:
    assert metadata.parse_xmp(packet) is None
