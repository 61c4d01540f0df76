"""The tab that reads images: its events without a browser, then the whole of it in one."""

from __future__ import annotations

import asyncio
import base64
import csv
import gc
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from app.jobs import JobQueue
from app.settings import Settings
from app.ui import annotate as tab_module
from app.ui.annotate import Annotate, Batch
from app.ui.annotate_view import form_html, landmarks_html, row_of, shown_value
from synfer_core.annotations.reading import Failed, Read
from synfer_core.annotations.table import STYLES
from synfer_core.errors import ImageError
from synfer_core.faces.landmarks import Face
from synfer_core.faces.second_opinion import NO_FACE, SecondOpinion
from synfer_core.report import AUReading
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Visit
from tests.app.test_ui import annotation, check_markup
from tests.app.visiting import visitor
from tests.serving import served

LIMITS = Settings(upload_mb=1, annotate_files=3, annotate_mb=2)


def png(shade: int, side: int = 128) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(shade).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def sent(token: str, data: bytes, name: str = "a.png") -> dict[str, str]:
    return {"token": token, "name": name, "data": base64.b64encode(data).decode()}


@pytest.fixture
def tab(synthesizer: Synthesizer, queue: JobQueue) -> Annotate:
    return Annotate(synthesizer, queue, LIMITS)


def opened(tab: Annotate, page: str = "p") -> str:
    token: str = tab.open(visitor(page))[0]["token"]
    return token


def read(tab: Annotate, asked: Any, page: str = "p") -> list[tuple[Any, Any]]:
    async def walk() -> list[tuple[Any, Any]]:
        return [update async for update in tab.read(asked, visitor(page))]

    return asyncio.run(asyncio.wait_for(walk(), 100))


def test_images_are_read_and_a_bad_one_is_named(tab: Annotate, queue: JobQueue) -> None:
    token = opened(tab)
    for number, data in enumerate((png(1), b"text named .png", png(2)), 1):
        assert tab.add(sent(token, data, f"{number}.png")) == {"number": number}
    value, _ = read(tab, {"token": token})[-1]
    assert (value["phase"], value["done"], value["total"]) == ("done", 3, 3)
    answer = tab.rows({"token": token, "known": 0})
    assert [row["state"] for row in answer["rows"]] == ["done", "failed", "done"]
    assert "not an image of a kind known here" in answer["rows"][1]["error"]["message"]
    assert answer["rows"][0]["thumb"].startswith("data:image/jpeg")
    assert tab.rows({"token": token, "known": answer["known"]})["rows"] == []
    (batch,) = tab._batches.values()
    assert all(item.data is None for item in batch.items), "uploads are dropped once read"
    assert queue.jobs() == ()


def test_the_full_report_and_the_tables(tab: Annotate) -> None:
    token = opened(tab)
    tab.add(sent(token, png(1), "=one, two.png"))
    tab.add(sent(token, b"no image", "b.png"))
    read(tab, {"token": token})
    stage, report = tab.show({"token": token, "show": 1})
    assert (stage["phase"], stage["points"]) == ("done", None)
    assert "MediaPipe" in stage["why"]
    assert report.count("bar-row") == 8
    for nothing in (0, 2, 3, "1", None):
        assert "phase" not in tab.show({"token": token, "show": nothing})[0]
    for style, layout in STYLES.items():
        table = tab.table({"token": token, "style": style})
        rows = list(csv.DictReader(io.StringIO(table["text"])))
        assert tuple(rows[0]) == layout.columns
        assert len(rows) == 2
        assert table["file"] == f"annotations_{style}.csv"
        assert "'=one, two.png" in rows[0].values()
    assert tab.table({"token": token, "style": "xls"})["error"]["field"] == "style"


def test_a_label_is_voted_on_later_without_the_upload(tab: Annotate) -> None:
    token = opened(tab)
    tab.add(sent(token, png(1)))
    read(tab, {"token": token})
    known = tab.rows({"token": token})["known"]
    read(tab, {"token": token, "label": "fear"})
    assert len(tab.rows({"token": token, "known": known})["rows"]) == 1
    assert "no verdict on the label" in tab.show({"token": token, "show": 1})[1]
    read(tab, {"token": token})
    assert "no verdict on the label" not in tab.show({"token": token, "show": 1})[1]
    assert read(tab, {"token": token, "label": "joy"})[-1][1]["field"] == "label"


def test_limits_are_named(tab: Annotate) -> None:
    token = opened(tab)
    big = bytes(900_000)
    assert tab.add(sent(token, bytes(1_100_000)))["error"]["allowed"] == "at most 1 MB"
    assert tab.add(sent(token, big)) == {"number": 1}
    assert tab.add(sent(token, big)) == {"number": 2}
    assert tab.add(sent(token, big))["error"]["allowed"] == "at most 2 MB at a time"
    assert tab.add(sent(token, b"x")) == {"number": 3}
    assert tab.add(sent(token, b"x"))["error"]["allowed"] == "at most 3 at a time"


def test_pages_see_their_own_images_only_and_leave_nothing(tab: Annotate) -> None:
    mine, other = opened(tab), opened(tab, "q")
    tab.add(sent(mine, png(1)))
    read(tab, {"token": mine})
    assert tab.rows({"token": other})["rows"] == []
    tab.leave(visitor("q"))
    assert tab.rows({"token": mine})["rows"]
    tab.leave(visitor())
    for answer in (tab.rows({"token": mine}), tab.add(sent(mine, png(1))), tab.rows(None)):
        assert "not here any more" in answer["error"]["message"]
    assert read(tab, {"token": mine})[-1][1]["field"] == "images"


def test_clearing_drops_all_and_begins_anew(tab: Annotate) -> None:
    first = opened(tab)
    tab.add(sent(first, png(1)))
    second = opened(tab)
    assert "error" in tab.rows({"token": first})
    assert tab.add(sent(second, png(1))) == {"number": 1}


def test_cancelling_stops_after_the_image_it_is_at(tab: Annotate) -> None:
    token = opened(tab)
    for shade in range(3):
        tab.add(sent(token, png(shade)))

    async def run() -> Any:
        async for value, _ in tab.read({"token": token}, visitor()):
            if value["phase"] == "running":
                tab.cancel(visitor())
        return value

    assert asyncio.run(run())["phase"] == "cancelled"
    assert len(tab.rows({"token": token})["rows"]) < 3
    assert read(tab, {"token": token})[-1][0]["phase"] == "done"
    assert len(tab.rows({"token": token})["rows"]) == 3


def test_markup_is_whole() -> None:
    markup = form_html(LIMITS)
    check_markup(markup)
    check_markup(landmarks_html())
    assert "At most 3 images, 2 MB in all and 1 MB each" in markup


def test_a_row_has_the_strongest_units_and_a_failure_its_reason() -> None:
    made = annotation()
    aus = AUReading({"AUL12": 4.4, "AUR12": 4.0, "AU26": 2.0, "AU25": 0.4}, "au-reader 1")
    row = row_of(1, Read("a", replace(made, readings=(aus,)), NO_FACE, None))
    assert [unit["text"] for unit in row["units"]] == ["12D", "26B"]
    assert row["units"][0]["title"] == "lip corner puller: 4.2 of 5"
    assert row["strength"] == pytest.approx(4.2)
    assert row_of(2, Failed("b", ImageError("is damaged")))["error"]["message"] == "is damaged"


def test_points_are_drawn_in_a_square_of_100() -> None:
    face = Face(np.full((478, 2), 4.0, np.float32), {})
    opinion = SecondOpinion(AUReading({}, "mediapipe 1"), face=face)
    points = shown_value(Read("a", annotation(), opinion, face))["points"]
    assert points["dots"].count("M50.00 50.00h0") == 478
    assert points["lines"].count("M") == 9


# --- In a browser -------------------------------------------------------------------------------


def payload(name: str, data: bytes) -> sync_api.FilePayload:
    return sync_api.FilePayload(name=name, mimeType="image/png", buffer=data)


FILES = [payload(f"{n}.png", png(n)) for n in (1, 2, 3)] + [payload("broken.png", b"text")]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own for whatever the server would write."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        yield folder


@pytest.fixture(scope="module")
def reading(synthesizer: Synthesizer, temporary: Path) -> Iterator[str]:
    with served(synthesizer, Settings(first_face=False, annotate_files=6)) as one:
        yield one.url


def on_disk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def batches() -> list[Batch]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is Batch]


def open_tab(browser: sync_api.Browser, url: str, size: Any = WIDE) -> Visit:
    visit = Visit(browser, url, size, "light")
    visit.page.get_by_role("tab", name="Annotate").click()
    return visit


def choose(page: sync_api.Page, files: list[sync_api.FilePayload]) -> None:
    page.locator("#image-annotate input[type=file]").set_input_files(files)


def sort_and_filter(page: sync_api.Page) -> None:
    rows, head = page.locator(".images tbody tr"), page.locator("th[data-column=name]")
    page.get_by_role("button", name="3.png").focus()
    page.keyboard.press("Enter")
    sync_api.expect(rows.nth(2)).to_have_class("chosen")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    sync_api.expect(head).to_have_attribute("aria-sort", "descending")
    assert rows.first.locator(".file").inner_text() == "broken.png"
    page.locator("#annotate-filter").select_option("failed")
    sync_api.expect(rows).to_have_count(1)
    page.locator("#annotate-filter").select_option("")


def downloaded(page: sync_api.Page, style: str) -> list[dict[str, str]]:
    page.locator("#annotate-style").select_option(style)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == f"annotations_{style}.csv"
    with Path(download.value.path()).open(newline="") as file:
        return list(csv.DictReader(file))


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    def test_the_walk(self, browser: sync_api.Browser, reading: str, temporary: Path) -> None:
        before, kept = on_disk(temporary), len(batches())
        visit = open_tab(browser, reading)
        page = visit.page
        status = page.locator(".annotate .run .status")
        rows = page.locator(".images tbody tr")
        choose(page, FILES)
        sync_api.expect(status).to_have_text("4 wait for your consent")
        page.wait_for_timeout(300)
        assert sum(len(batch.items) for batch in batches()) == 0, "nothing leaves the browser yet"

        page.get_by_label("I may use these images").check()
        sync_api.expect(status).to_have_text("3 of 4 read, 1 cannot be read", timeout=60_000)
        broken = rows.filter(has_text="broken.png")
        sync_api.expect(broken).to_contain_text("not an image of a kind known here")
        sync_api.expect(page.locator("#image-report .bar-row")).to_have_count(8)
        sync_api.expect(page.locator("#image-stage .face").first).to_be_visible()
        page.locator("#image-stage").get_by_role("button", name="fear").click()
        sync_api.expect(page.locator("#image-stage .heat").first).to_be_visible()

        sort_and_filter(page)
        table = downloaded(page, "openface")
        assert [row["success"] for row in table] == ["1", "1", "1", "0"]
        assert table[0]["AU12_r"] != ""

        page.locator("#said").select_option("fear")
        notes = page.locator("#image-report .notes")
        sync_api.expect(notes).to_contain_text("nobody has been weighed", timeout=60_000)

        choose(page, FILES)
        wrong = page.locator('[data-error-for~="images"]')
        sync_api.expect(wrong).to_have_text("8 images are too many. Allowed: at most 6 at a time.")
        page.get_by_role("button", name="Clear", exact=True).last.click()
        sync_api.expect(rows).to_have_count(0)
        sync_api.expect(page.locator("#image-stage .face").first).to_be_hidden()
        sync_api.expect(page.locator("#image-report")).to_contain_text("will stand here")
        page.wait_for_timeout(500)
        assert sum(len(batch.items) for batch in batches()) == 0, "cleared images are gone"

        choose(page, FILES[:1])
        sync_api.expect(status).to_have_text("1 of 1 read", timeout=60_000)
        assert on_disk(temporary) == before, "no file was written"
        visit.close()
        for _ in range(200):
            if len(batches()) <= kept:
                break
            time.sleep(0.1)
        assert len(batches()) <= kept, "a closed page leaves nothing behind"
        assert visit.troubles == []

    def test_cancel_leaves_the_rest_and_goes_on(
        self, browser: sync_api.Browser, reading: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = tab_module.read_all

        def slowly(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for one in real(*args, **kwargs):
                time.sleep(0.7)
                yield one

        monkeypatch.setattr(tab_module, "read_all", slowly)
        visit = open_tab(browser, reading, NARROW)
        page = visit.page
        page.get_by_label("I may use these images").check()
        choose(page, FILES[:3])
        status = page.locator(".annotate .run .status")
        sync_api.expect(status).to_contain_text("Reading", timeout=60_000)
        page.locator("#image-annotate [data-act=cancel]").click()
        sync_api.expect(status).to_contain_text("left", timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        page.get_by_role("button", name="Read the rest").click()
        sync_api.expect(status).to_have_text("3 of 3 read", timeout=60_000)
        visit.close()
        assert visit.troubles == []
