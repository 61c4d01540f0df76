"""Behind a real nginx with TLS and below a prefix, as docs/security.md has it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright import sync_api

from synfer_core.accounts import Stored, put_user
from synfer_core.client import Client
from synfer_core.errors import UnreachableError
from tests.app.browsing import CHROMIUM, IN_A_BROWSER, crowding
from tests.processes import Running, running
from tests.serving import free_port
from tests.test_accounts import QUICK

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
OPENSSL = shutil.which("openssl")
DOCS = Path(__file__).parents[2] / "docs" / "security.md"
NAME, PASSWORD = "ada", "ada's password"

BEHIND_NGINX = pytest.mark.skipif(
    not (NGINX and OPENSSL), reason="nginx or openssl is not installed"
)

BROKEN = {
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "nonsense://:::",
    "NO_PROXY": "localhost,::1/128,10.0.0.0/8",
}
"""Proxies as they stand in environments, none of which can be used."""


@dataclass(frozen=True)
class Site:
    """The studio as the world sees it."""

    url: str
    certificate: Path
    trust: ssl.SSLContext


def write_certificate(folder: Path) -> None:
    """A key and a certificate for localhost."""
    assert OPENSSL
    command = f"{OPENSSL} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    where = ["-keyout", str(folder / "lab.key"), "-out", str(folder / "lab.pem")]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *where, *names], check=True, capture_output=True)


def configuration(folder: Path, port: int, studio: int) -> str:
    """The example of the docs, with addresses and files of this machine."""
    example = re.search(r"```nginx\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert example
    server = example[1]
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "lab.example.org": "localhost",
        "/etc/ssl/certs/lab.pem": str(folder / "lab.pem"),
        "/etc/ssl/private/lab.key": str(folder / "lab.key"),
        "127.0.0.1:7860": f"127.0.0.1:{studio}",
    }.items():
        assert old in server
        server = server.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # Workers of a master that root started would be another user, who may not write here.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the files of nginx and for those of users."""
    made = tmp_path_factory.mktemp("nginx")
    put_user(made / "users.txt", NAME, Stored.of(PASSWORD, QUICK))
    return made


@pytest.fixture(scope="module")
def studio(
    folder: Path, reading_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The server itself, in an environment full of proxies."""
    options = ["--auth", f"users:{folder / 'users.txt'}", "--proxies", "127.0.0.1"]
    options += ["--root-path", "/synfer"]
    files = tmp_path_factory.mktemp("gradio")
    with running(reading_folder, files, *options, environ=BROKEN) as server:
        yield server


@pytest.fixture(scope="module")
def site(folder: Path, studio: Running) -> Iterator[Site]:
    port = free_port()
    write_certificate(folder)
    (folder / "nginx.conf").write_text(configuration(folder, port, studio.port))
    assert NGINX
    nginx = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf")])
    try:
        url = f"https://localhost:{port}/synfer"
        trust = ssl.create_default_context(cafile=folder / "lab.pem")
        wait_until_up(nginx, url, trust)
        yield Site(url, folder / "lab.pem", trust)
    finally:
        nginx.terminate()
        nginx.wait(10)


def wait_until_up(nginx: subprocess.Popen[bytes], url: str, trust: ssl.SSLContext) -> None:
    for _ in range(100):
        assert nginx.poll() is None, "nginx does not take the example"
        try:
            if httpx.get(f"{url}/api/v1/health", verify=trust).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("nginx did not come up")


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("SSL_CERT_FILE", str(site.certificate))
    with Client(site.url, token=f"{NAME}:{PASSWORD}") as one:
        yield one


@BEHIND_NGINX
def test_the_client_works_through_it(site: Site, client: Client) -> None:
    stages: list[str] = []
    face = client.generate({"facs": "12D", "steps": 3}, lambda event: stages.append(event.state))
    assert face.png.startswith(b"\x89PNG")
    assert len(stages) > 3, "events come as they happen"
    assert client.annotate(face.png).job


@BEHIND_NGINX
def test_addresses_have_the_prefix(site: Site) -> None:
    signed = httpx.BasicAuth(NAME, PASSWORD)
    with httpx.Client(verify=site.trust, auth=signed) as http:
        made = http.post(f"{site.url}/api/v1/jobs", json={"steps": 1})
        assert made.headers["Location"].startswith("/synfer/api/v1/jobs/")
        assert http.get(f"{site.url}/api/v1/docs").text.count('href="/synfer/api/v1/') >= 1
        described = http.get(f"{site.url}/api/v1/openapi.json").json()
        assert described["servers"] == [{"url": "/synfer/api/v1"}]
        assert http.get(site.url).headers["Location"].endswith("/synfer/")


@BEHIND_NGINX
def test_a_large_upload_passes_and_one_that_is_too_large_is_told_so(site: Site) -> None:
    signed = httpx.BasicAuth(NAME, PASSWORD)
    with httpx.Client(verify=site.trust, auth=signed) as http:
        for size, code in ((9_000_000, 422), (16_000_000, 413)):
            sent = {"image": bytes(size)}
            assert http.post(f"{site.url}/api/v1/annotate", files=sent).status_code == code


@BEHIND_NGINX
def test_what_a_stranger_forges_does_not_pass(site: Site) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1"}
    answer = httpx.get(f"{site.url}/", headers=forged, verify=site.trust)
    assert answer.status_code == 401
    assert "evil.example" not in answer.text


@BEHIND_NGINX
@IN_A_BROWSER[0]
def test_the_page_signs_in_has_its_style_and_makes_a_face(site: Site) -> None:
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--headless=new"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = browser.new_context(ignore_https_errors=True, color_scheme="dark")
        page = context.new_page()
        page.set_default_timeout(30_000 * crowding())
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.on("response", lambda got: failed.append(got.url) if got.status >= 402 else None)
        page.goto(f"{site.url}/")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        sync_api.expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector(".controls button.primary")
        masthead = page.locator(".masthead")
        assert masthead.evaluate("e => getComputedStyle(e).display") == "flex"
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("body[data-phase=done]")
        (cookie,) = [c for c in context.cookies() if c["name"].startswith("synfer_session")]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (
            True, True, "Strict", "/synfer/",
        )  # fmt: skip
        assert [url for url in failed if "/login" not in url] == []
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{site.url}/login")
        page.goto(f"{site.url}/")
        assert page.get_by_label("Password").is_visible()
        browser.close()


def test_proxies_of_the_environment_do_not_matter_on_one_machine(
    studio: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in BROKEN.items():
        monkeypatch.setenv(name, value)
    for host in ("127.0.0.1", "localhost"):
        with Client(f"http://{host}:{studio.port}", token=f"{NAME}:{PASSWORD}") as client:
            assert client.vocabulary().expressions


def test_sigterm_ends_it_in_time_whatever_is_open(studio: Running) -> None:
    """The last test of the server: half a request, half a body, an open stream, a job under way."""
    url, token = f"http://127.0.0.1:{studio.port}", f"{NAME}:{PASSWORD}"
    half_a_body = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for sent in (b"", b"GET / HT", half_a_body):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", studio.port)))
            half.sendall(sent)
        client = stack.enter_context(Client(url, token=token))
        events = client.events(client.submit({"steps": 100}).id)
        next(events)
        started = time.monotonic()
        studio.process.send_signal(signal.SIGTERM)
        code = studio.process.wait(30)
        assert time.monotonic() - started < 5
        assert code in (-signal.SIGTERM, 128 + signal.SIGTERM)
        with contextlib.suppress(UnreachableError):
            assert [event.state for event in events][-1] == "cancelled"
