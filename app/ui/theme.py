"""The look: palette and type for Gradio's own parts, and the style sheet and scripts of ours."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors

_HERE = Path(__file__).parent
# In the order of their rules: the studio's own first, then one for each part that needs more.
_STYLES = (
    "studio",
    "people",
    "live",
    "engines",
    "annotate",
    "grids",
    "history",
    "morphs",
    "data",
    "lab",
    "help",
)
# Plain names: Gradio asks its server for a file of every font named otherwise.
_FONT = ("system-ui", "sans-serif")
_MONO = ("ui-monospace", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's theme in the studio's colours, with the system's fonts only."""
    base = gr.themes.Base(
        primary_hue=colors.teal, neutral_hue=colors.stone, font=_FONT, font_mono=_MONO
    )
    return base.set(
        body_background_fill="#f4f3ef",
        body_background_fill_dark="#141718",
        body_text_color="#20272b",
        body_text_color_dark="#e7e5e0",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
    )


def script(*names: str) -> str:
    """The scripts that run, as one, when a part of the page is there, such as ``stage``."""
    return "\n".join(_read(f"{name}.js") for name in names)


def head(upload_bytes: int) -> str:
    """What goes into the page's head: the style sheet and what the scripts share.

    The style sheets come this way because Gradio repeats one given as `css` with longer selectors,
    which upsets the order of its rules.
    """
    shared = _read("page.js").replace("__UPLOAD_BYTES__", str(upload_bytes))
    shared += "\n" + _read("scene.js")
    styles = "\n".join(_read(f"{name}.css") for name in _STYLES)
    scheme = '<meta name="color-scheme" content="light dark">'
    return f"{scheme}<style>{styles}</style><script>{shared}</script>"


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
