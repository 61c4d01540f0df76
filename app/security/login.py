"""The page that asks who one is: no script, no file of its own, light and dark."""

from __future__ import annotations

from html import escape

_STYLE = """
:root{color-scheme:light dark;--ground:#f4f3ef;--ink:#20272b;--line:#6f7a78;--paper:#fff;
--act:#0f766e;--on-act:#fff;--bad:#a3231b}
@media(prefers-color-scheme:dark){:root{--ground:#141718;--ink:#e7e5e0;--line:#8b9694;
--paper:#1d2223;--act:#5eead4;--on-act:#10201e;--bad:#ff9c92}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;
background:var(--ground);color:var(--ink);padding:1rem}
main{width:100%;max-width:22rem}
h1{font-size:1.4rem;font-weight:400;margin:0 0 .25rem}
p{margin:0 0 1.25rem}
label{display:block;margin:0 0 .25rem}
input{width:100%;font:inherit;padding:.6rem .7rem;margin:0 0 1rem;border:1px solid var(--line);
border-radius:6px;background:var(--paper);color:inherit}
button{width:100%;font:inherit;font-weight:600;padding:.65rem;border:0;border-radius:6px;
background:var(--act);color:var(--on-act);cursor:pointer}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
[role=alert]{color:var(--bad);font-weight:600}
"""

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>SynFER Studio: sign in</title>"""

_NAME = """<label for="username">Name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none"
spellcheck="false" required autofocus>"""


def login_html(action: str, words: str, *, named: bool) -> str:
    """The page.

    Args:
        action: Where its form goes.
        words: What went wrong the last time; empty where nothing did.
        named: Whether one signs in by name, or with a token alone.
    """
    secret = "Password" if named else "Token"
    alert = f'<p role="alert" id="wrong">{escape(words)}</p>' if words else ""
    described = ' aria-describedby="wrong"' if words else ""
    return f"""{_HEAD}<style>{_STYLE}</style></head><body><main>
<h1><b>SynFER</b> Studio</h1><p>Sign in to go on.</p>{alert}
<form method="post" action="{escape(action)}">{_NAME if named else ""}
<label for="password">{secret}</label>
<input id="password" name="password" type="password" autocomplete="current-password"
required{described}{"" if named else " autofocus"}>
<button type="submit">Sign in</button></form></main></body></html>"""


def refresh_html() -> str:
    """A page that asks for itself again, so that the browser sends its cookie."""
    return f'{_HEAD}<meta http-equiv="refresh" content="0"></head><body></body></html>'
