"""What the file says of itself: an XMP packet with IPTC's digital source type, tool and hashes.

XMP: ISO 16684-1, in a PNG as the iTXt chunk ``XML:com.adobe.xmp`` (XMP Specification, part 3,
https://developer.adobe.com/xmp/docs/xmp-specifications/). Terms: IPTC's NewsCodes,
http://cv.iptc.org/newscodes/digitalsourcetype/. Properties: IPTC Photo Metadata Standard,
https://iptc.org/std/photometadata/specification/.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from synfer_core.request import Recipe

XMP_KEY = "XML:com.adobe.xmp"
"""Name of the PNG text chunk that holds the packet."""
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""Made by an AI model."""
EDITED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
"""Some other picture, changed by an AI model."""
COMPUTED = SOURCE_TYPES + "algorithmicMedia"
"""Made by an algorithm alone. FaceKit draws from equations and a seed: no network takes part. Its
shape modes come from scans, which this term passes over; no other one comes nearer."""
TOOL = "SynFER Studio"
NONE = "none"
"""Stands where a mark was left out, so that its absence is no damage."""
MAX_PACKET = 1 << 16
"""Longer packets, in bytes, are not ours and are not parsed."""

_NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "synfer": "urn:synfer-studio:provenance:1#",
}
_PROPERTIES = {
    "source_type": "Iptc4xmpExt:DigitalSourceType",
    "ai_system": "Iptc4xmpExt:AISystemUsed",
    "tool": "xmp:CreatorTool",
    "weights_sha256": "synfer:WeightsSHA256",
    "recipe_sha256": "synfer:RecipeSHA256",
    "image_sha256": "synfer:ImageSHA256",
    "pixels_sha256": "synfer:PixelsSHA256",
    "watermark": "synfer:Watermark",
    "label": "synfer:VisibleLabel",
}
"""Field of `Origin`: the XMP property that holds it."""
_EXACT = "facekit"
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_TAIL = '<?xpacket end="r"?>'
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Origin:
    """How an image was made, as its metadata tells.

    Attributes:
        source_type: IPTC's term, as its address.
        ai_system: The AI system that took part; None where none did.
        tool: Program and version.
        weights_sha256: Hash of the model's weights, where the recipe has it.
        recipe_sha256: Hash of the recipe's JSON.
        image_sha256: Hash of the pixels as they were made, before any mark: equal recipes, equal
            hash.
        pixels_sha256: Hash of the pixels as they were written, marks and all.
        watermark: Name of the watermark in the pixels, or ``none``.
        label: The words of the visible label, or ``none``.
    """

    source_type: str | None = None
    ai_system: str | None = None
    tool: str | None = None
    weights_sha256: str | None = None
    recipe_sha256: str | None = None
    image_sha256: str | None = None
    pixels_sha256: str | None = None
    watermark: str | None = None
    label: str | None = None

    @property
    def term(self) -> str | None:
        """IPTC's term without its address, as people know it."""
        return None if self.source_type is None else self.source_type.rpartition("/")[2]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def text_sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def source_type(recipe: Recipe) -> str:
    """IPTC's term for what a recipe makes.

    An edit may start from a photo, which a recipe cannot tell; so every edit is called one.
    """
    if recipe.backbone == _EXACT:
        return COMPUTED
    return TRAINED if recipe.reference is None else EDITED


def origin_of(recipe: Recipe, image_sha256: str) -> Origin:
    """What the metadata says of a recipe's image before it is marked.

    Args:
        recipe: Complete, as it stands in the file.
        image_sha256: Hash of the image's pixels.
    """
    tool, kind = f"{TOOL} {version('synfer-studio')}", source_type(recipe)
    return Origin(
        source_type=kind,
        ai_system=None if kind == COMPUTED else f"{tool}, backbone {recipe.backbone}",
        tool=tool,
        weights_sha256=recipe.weights_sha256,
        recipe_sha256=text_sha256(recipe.to_json()),
        image_sha256=image_sha256,
        pixels_sha256=image_sha256,
        watermark=NONE,
        label=NONE,
    )


def to_xmp(origin: Origin) -> str:
    """The XMP packet; equal origins give equal text."""
    given = {_PROPERTIES[field]: value for field, value in asdict(origin).items() if value}
    lines = [f"   <{name}>{escape(value)}</{name}>" for name, value in given.items()]
    spaces = "".join(f'\n    xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    return "\n".join(
        [
            _HEAD,
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
            f" <rdf:RDF{spaces}>",
            '  <rdf:Description rdf:about="">',
            *lines,
            "  </rdf:Description>",
            " </rdf:RDF>",
            "</x:xmpmeta>",
            _TAIL,
        ]
    )


def parse_xmp(packet: bytes) -> Origin | None:
    """What a packet says, this program's or another's; None where it says none of it.

    A packet that is too long, is no XML or declares entities is passed over, as is a hash that is
    none: a file from elsewhere may hold anything, and its image can still be read.
    """
    if len(packet) > MAX_PACKET or b"<!" in packet:
        return None
    try:
        root = ElementTree.fromstring(packet.decode().strip(" \n\r\t\0\ufeff"))
    except (ElementTree.ParseError, UnicodeDecodeError):
        return None
    values = {field: _value(root, name) for field, name in _PROPERTIES.items()}
    values |= {f: None for f, v in values.items() if f.endswith("_sha256") and not _is_hash(v)}
    return Origin(**values) if any(values.values()) else None


def _is_hash(value: str | None) -> bool:
    return value is not None and _SHA256.fullmatch(value) is not None


def _value(root: ElementTree.Element, name: str) -> str | None:
    """A simple property: an element's text or resource, or, in XMP's short form, an attribute."""
    prefix, _, local = name.partition(":")
    key = f"{{{_NAMESPACES[prefix]}}}{local}"
    for description in root.iter(f"{{{_NAMESPACES['rdf']}}}Description"):
        text = description.get(key)
        element = description.find(key)
        if element is not None:
            text = element.text or element.get(f"{{{_NAMESPACES['rdf']}}}resource")
        if text and text.strip():
            return text.strip()
    return None
