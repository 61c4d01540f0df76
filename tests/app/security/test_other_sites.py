"""Pages of other web sites, in a real browser: they read, change and frame nothing.

Sites have names of their own that lead to this machine: ``evil.test`` belongs to somebody else,
``lab.test`` is a name of the studio, without TLS, for which browsers say less of where a request
comes from.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright import sync_api

from app.settings import Settings
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import CHROMIUM, IN_A_BROWSER, WIDE, Visit
from tests.serving import Server, served

pytestmark = IN_A_BROWSER

_FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--host-resolver-rules=MAP evil.test 127.0.0.1, MAP lab.test 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

_ATTACKS = """async ([target, job, generate]) => {
  const tries = {};
  const attempt = async (name, work) => {
    try { tries[name] = await work(); } catch (error) { tries[name] = "stopped"; }
  };
  const text = async (path, more) => (await fetch(target + path, more)).status;
  const json = {method: "POST", headers: {"content-type": "application/json"}, body: generate};
  const plain = {method: "POST", headers: {"content-type": "text/plain"}, body: generate};
  const loads = (tag, path) => new Promise((resolve) => {
    const one = document.createElement(tag);
    one.onload = () => resolve("loaded");
    one.onerror = () => resolve("stopped");
    one[tag === "link" ? "href" : "src"] = target + path;
    one.rel = "stylesheet";
    document.head.append(one);
  });
  await attempt("read", () => text("/config"));
  await attempt("read with cookies", () => text("/config", {credentials: "include"}));
  await attempt("read the API", () => text("/api/v1/health"));
  await attempt("picture", () => loads("img", "/favicon.ico"));
  await attempt("script", () => loads("script", "/static/js/iframeResizer.contentWindow.min.js"));
  await attempt("style", () => loads("link", "/theme.css"));
  await attempt("queue", () => text("/gradio_api/queue/join", json));
  await attempt("delete", () => text("/api/v1/jobs/" + job, {method: "DELETE"}));
  if (location.origin !== target) {  // what the page's own requests do is clear from the above
    for (const path of ["/gradio_api/queue/join", "/gradio_api/component_server", "/api/v1/jobs"]) {
      await attempt("blind " + path, async () =>
        (await fetch(target + path, {...plain, mode: "no-cors"})).type);
    }
    await attempt("form", () => new Promise((resolve) => {
      const form = document.createElement("form");
      form.method = "post"; form.enctype = "text/plain"; form.action = target + "/api/v1/jobs";
      form.target = "frame";
      const frame = document.createElement("iframe");
      frame.name = "frame";
      document.body.append(frame, form);
      frame.onload = () => resolve("sent");
      form.submit();
    }));
  }
  return tries;
}"""


class _Foreign(http.server.BaseHTTPRequestHandler):
    """A web site of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title><body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[int]:
    """The port of another web site."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Foreign) as site:
        threading.Thread(target=site.serve_forever).start()
        yield site.server_port
        site.shutdown()


@pytest.fixture(scope="module")
def studio(synthesizer: Synthesizer) -> Iterator[Server]:
    settings = Settings(trusted_hosts="lab.test", first_face=False, live=False)
    with served(synthesizer, settings) as one:
        yield one


@pytest.fixture(scope="module")
def tab() -> Iterator[sync_api.Page]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield chromium.new_context().new_page()
        chromium.close()


def port(studio: Server) -> str:
    return studio.url.rpartition(":")[2]


def attack(tab: sync_api.Page, studio: Server, site: str, target: str) -> tuple[Any, list[str]]:
    """What a page of a site gets from the attempts, and what the studio was asked to do."""
    asked: list[str] = []
    kept = studio.queue.submit(lambda: iter(()), owner="api somebody")
    submit = studio.queue.submit
    studio.queue.submit = lambda *args, **more: asked.append("job") or submit(*args, **more)  # type: ignore
    try:
        tab.goto(site)
        body = {"data": [None, None], "fn_index": 0, "session_hash": "evil"}
        result = tab.evaluate(_ATTACKS, [target, kept.id, json.dumps(body)])
    finally:
        studio.queue.submit = submit  # type: ignore[method-assign]
    if studio.queue.get(kept.id) is None:
        asked.append("deletion")
    return result, asked


@pytest.mark.parametrize("name", ["127.0.0.1", "lab.test"])
@pytest.mark.parametrize("site", ["evil.test", "127.0.0.1"])
def test_another_site_reads_and_changes_nothing(
    tab: sync_api.Page, studio: Server, foreign: int, site: str, name: str
) -> None:
    target = f"http://{name}:{port(studio)}"
    tries, asked = attack(tab, studio, f"http://{site}:{foreign}/", target)
    assert asked == []
    blind = {one for one in tries if one.startswith("blind") or one == "form"}
    assert {one: tries[one] for one in tries if one not in blind} == dict.fromkeys(
        set(tries) - blind, "stopped"
    )
    assert len(blind) == 4


def test_the_own_page_may_do_all_that(tab: sync_api.Page, studio: Server) -> None:
    for target in (studio.url, f"http://lab.test:{port(studio)}"):
        tries, asked = attack(tab, studio, f"{target}/", target)
        assert "stopped" not in tries.values()
        assert tries["read"] == tries["read the API"] == tries["queue"] == 200
        assert "deletion" in asked


def test_a_name_that_was_led_here_opens_nothing(tab: sync_api.Page, studio: Server) -> None:
    """DNS rebinding: to the browser, page and studio are one site."""
    site = f"http://evil.test:{port(studio)}"
    answer = tab.goto(f"{site}/")
    assert answer is not None
    assert answer.status == 400
    tries, asked = attack(tab, studio, f"{site}/", site)
    assert asked == []
    assert {got for got in tries.values() if got not in (400, "stopped")} == set()


@pytest.mark.parametrize("name", ["127.0.0.1", "lab.test"])
def test_no_site_frames_the_studio(
    tab: sync_api.Page, studio: Server, foreign: int, name: str
) -> None:
    for site in (f"http://evil.test:{foreign}/", f"http://127.0.0.1:{foreign}/"):
        tab.goto(site)
        with tab.expect_event("framenavigated", lambda frame: frame.parent_frame is not None):
            tab.evaluate(
                "(src) => document.body.append(Object.assign(document.createElement('iframe'),"
                " {src}))",
                f"http://{name}:{port(studio)}/",
            )
        framed = [frame for frame in tab.frames if frame.parent_frame]
        assert [frame.locator("gradio-app").count() for frame in framed] == [0]


def test_a_link_leads_to_the_studio(tab: sync_api.Page, studio: Server, foreign: int) -> None:
    tab.goto(f"http://evil.test:{foreign}/")
    with tab.expect_navigation() as seen:
        tab.evaluate("(url) => { location = url; }", f"{studio.url}/")
    assert seen.value.status == 200


def test_the_page_may_use_the_camera_and_no_microphone(tab: sync_api.Page, studio: Server) -> None:
    tab.goto(f"{studio.url}/")
    opened = """(wanted) => navigator.mediaDevices.getUserMedia(wanted)
        .then((stream) => stream.getTracks()[0].kind, (error) => error.name)"""
    assert tab.evaluate(opened, {"video": True}) == "video"
    assert tab.evaluate(opened, {"audio": True}) == "NotAllowedError"


def test_the_page_runs_its_own_scripts_and_no_others(tab: sync_api.Page, studio: Server) -> None:
    """Each test in a browser fails on what the page's policy forbids to the page itself."""
    assert tab.context.browser is not None
    visit = Visit(tab.context.browser, studio.url, WIDE, "light")
    visit.page.get_by_role("tab", name="Data").wait_for()
    assert visit.troubles == []
    visit.page.evaluate(
        """() => {
          const put = (html) => document.body.insertAdjacentHTML("beforeend", html);
          put(`<img src="data:," onerror="window.ran = true">`);
          put(`<svg onload="window.ran = true"></svg>`);
          put(`<a id="linked" href="javascript:window.ran = true">x</a>`);
          document.getElementById("linked").click();
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.head.append(script);
        }"""
    )
    outside = "() => fetch('http://evil.test:9/').then(() => 'read', () => 'stopped')"
    assert visit.page.evaluate(outside) == "stopped"
    assert visit.page.evaluate("() => window.ran") is None
    assert sum("Content Security Policy" in trouble for trouble in visit.troubles) >= 4
    visit.close()
