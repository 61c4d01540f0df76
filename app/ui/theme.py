"""The look: palette and type for Gradio's own parts, and the style sheet and scripts of ours."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, fonts

_HERE = Path(__file__).parent
_FONT = (
    "system-ui",
    "-apple-system",
    fonts.LocalFont("Segoe UI"),
    fonts.LocalFont("Noto Sans"),
    "sans-serif",
)
_MONO = ("ui-monospace", fonts.LocalFont("SF Mono"), fonts.LocalFont("Menlo"), "monospace")


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


def css() -> str:
    """The style sheet."""
    return _read("studio.css")


def script(name: str) -> str:
    """The script that runs when a part of the page is there, such as ``stage``."""
    return _read(f"{name}.js")


def head(upload_bytes: int) -> str:
    """What goes into the page's head: what the scripts share, and how narrow screens scale."""
    shared = _read("page.js").replace("__UPLOAD_BYTES__", str(upload_bytes))
    return f'<meta name="color-scheme" content="light dark"><script>{shared}</script>'


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
