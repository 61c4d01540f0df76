"""The faces a page has made, kept in its browser, and two of them side by side. Markup only."""

from __future__ import annotations

from html import escape

MOST = 200
"""Faces that a browser keeps."""

MEGABYTES = 40
"""What they may take there."""

_STAR = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 4.2l2.4 4.9 5.4.8-3.9 3.8.9 5.3'
    '-4.8-2.5-4.8 2.5.9-5.3-3.9-3.8 5.4-.8z"/></svg>'
)
_BACK = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5L4 9l4 4M4 9h9a6 6 0 0 1 0 12h-2"/>'
    "</svg>"
)
_FORTH = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M16 5l4 4-4 4M20 9h-9a6 6 0 0 0 0 12h2"/>'
    "</svg>"
)


def history_html() -> str:
    """The strip of faces; its script fills it."""
    return f"""
<section class="controls history folded" aria-label="History" data-most="{MOST}"
  data-bytes="{MEGABYTES}e6">
  <div class="history-head">
    <button type="button" class="quiet fold" aria-expanded="false" aria-controls="history-body">
      History <span class="state"></span></button>
    <input type="text" class="find" placeholder="Search: 12C, anger, seed 7" autocomplete="off"
      aria-label="Search the history by words, action unit, expression or seed">
    <button type="button" class="icon stars" aria-pressed="false" title="Favourites only"
      aria-label="Favourites only">{_STAR}</button>
    <button type="button" class="quiet table">Table</button>
    <button type="button" class="quiet wrap" aria-pressed="false">All rows</button>
    <button type="button" class="quiet clear">Delete all</button></div>
  <div id="history-body"><ol class="strip"></ol><p class="hint none" hidden></p></div>
  <p class="gone" role="status" aria-live="polite"></p>
  <template><li><button type="button" class="face"><img alt=""></button>
    <button type="button" class="tool star" aria-pressed="false" title="Favourite">{_STAR}</button>
    <button type="button" class="tool delete" title="Delete"><svg viewBox="0 0 24 24"
      aria-hidden="true"><path d="M7 7l10 10M17 7L7 17"/></svg></button></li></template>
</section>"""


def undo_html() -> str:
    """The two buttons that step through the form's earlier and later settings."""
    return "".join(
        f'<button type="button" class="icon" data-act="{act}" disabled title="{title} ({keys})" '
        f'aria-label="{escape(title)}">{glyph}</button>'
        for act, title, keys, glyph in (
            ("undo", "Undo the last change of settings", "Ctrl Z", _BACK),
            ("redo", "Redo the change of settings", "Ctrl Shift Z", _FORTH),
        )
    )


def compare_html() -> str:
    """The dialog that shows two faces, and the tray for the first; its script fills both."""
    return """
<div class="controls tray" role="status" hidden><img alt=""><span>Pick another face to compare with
  this one</span><button type="button" class="quiet" data-act="unpick">Never mind</button></div>
<dialog class="controls compare" aria-labelledby="compare-title">
  <div class="compare-head"><h2 id="compare-title">Two faces</h2>
    <div class="chips" role="group" aria-label="How to look at them">
      <button type="button" class="chip" data-look="beside" aria-pressed="true">Side by side
      </button>
      <button type="button" class="chip" data-look="wipe" aria-pressed="false">Wipe</button>
      <button type="button" class="chip" data-look="difference" aria-pressed="false">Difference
      </button></div>
    <button type="button" data-act="close">Close</button></div>
  <div class="looks" data-look="beside">
    <figure class="one"><img alt=""><figcaption></figcaption></figure>
    <figure class="other"><img alt=""><figcaption></figcaption></figure>
    <figure class="between"><canvas width="0" height="0" role="img"
      aria-label="Where the two pictures differ"></canvas>
      <figcaption>Difference in brightness, four times as strong</figcaption></figure>
    <label class="wiper">Wipe <input type="range" min="0" max="100" value="50"></label>
  </div>
  <p class="error" data-error-for="compare" hidden></p>
  <table class="readback differing"><caption>Settings that differ</caption><thead><tr>
    <th scope="col">Setting</th><th scope="col">Left</th><th scope="col">Right</th></tr></thead>
    <tbody></tbody></table>
  <p class="hint alike" hidden>All settings are the same.</p>
  <details class="fine same"><summary>Settings that are the same<span class="state"></span>
    </summary>
    <table class="readback"><tbody></tbody></table></details>
</dialog>"""
