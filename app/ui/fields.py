"""Labelled controls of a form, each with a hint and a place for what is wrong. Markup only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Fields:
    """The controls of one form.

    Attributes:
        prefix: Of their ids; a control's attribute ``data-PREFIX`` names its field.
        errors: What errors put before a field's name, such as ``data.``.
    """

    prefix: str
    errors: str = ""

    def text(self, field: str, title: str, hint: str = "", example: str = "") -> str:
        """A line of text."""
        return (
            f'{self._head(field, title)}<input type="text" {self._named(field)} '
            f'autocomplete="off" placeholder="{escape(example)}">{self._foot(field, hint)}'
        )

    def area(self, field: str, title: str, hint: str = "", example: str = "") -> str:
        """Lines of text."""
        return (
            f'{self._head(field, title)}<textarea {self._named(field)} rows="2" '
            f'maxlength="2000" placeholder="{escape(example)}"></textarea>'
            f"{self._foot(field, hint)}"
        )

    def select(self, field: str, title: str, options: Mapping[str, str], hint: str = "") -> str:
        """One of several."""
        items = "".join(f'<option value="{k}">{escape(v)}</option>' for k, v in options.items())
        return (
            f"{self._head(field, title)}<select {self._named(field)}>{items}</select>"
            f"{self._foot(field, hint)}"
        )

    def number(
        self, field: str, title: str, span: tuple[float, float], step: float = 1, hint: str = ""
    ) -> str:
        """A number from the lower to the higher."""
        return (
            f'{self._head(field, title)}<input type="number" {self._named(field)} '
            f'min="{span[0]:g}" max="{span[1]:g}" step="{step:g}">{self._foot(field, hint)}'
        )

    def check(self, field: str, title: str) -> str:
        """Yes or no."""
        return (
            f'<label class="check"><input type="checkbox" {self._named(field)}> {escape(title)}'
            f"</label>{self.error(field)}"
        )

    def error(self, *fields: str) -> str:
        """Where errors of these fields are told."""
        names = " ".join(self.errors + field for field in fields)
        return f'<p class="error" data-error-for="{names}" hidden></p>'

    def id_of(self, field: str) -> str:
        """A control's id."""
        return f"{self.prefix}-{field.replace('.', '-')}"

    def _named(self, field: str) -> str:
        return f'id="{self.id_of(field)}" data-{self.prefix}="{field}"'

    def _head(self, field: str, title: str) -> str:
        return f'<div class="field"><label for="{self.id_of(field)}">{escape(title)}</label>'

    def _foot(self, field: str, hint: str) -> str:
        # Gradio reads templates as Handlebars and as JavaScript: braces are written as entities.
        safe = escape(hint).replace("{", "&#123;").replace("}", "&#125;")
        return (f'<p class="hint">{safe}</p>' if hint else "") + self.error(field) + "</div>"
