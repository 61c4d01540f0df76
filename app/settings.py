"""Settings of the server, read from the environment; unknown names are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.bounded_store import Bounds
from app.security.proxies import networks_of
from synfer_core.errors import RequestError
from synfer_core.provenance.marking import Marking

PREFIX = "SYNFER_STUDIO_"


_SUCH_AS = {"proxies": "127.0.0.1,10.0.0.0/8", "root_path": "/synfer"}


class Settings(BaseModel):
    """Limits of one server; each is the variable ``SYNFER_STUDIO_`` and its name in capitals.

    Attributes:
        models: Folder with the weights; None takes those that ship.
        waiting: Jobs that may wait for the device before the studio answers "busy".
        per_client: Unfinished jobs that one user may have, of pages and API together; without
            users, one address.
        kept: Finished jobs whose results are kept for collection; the oldest goes first.
        kept_minutes: Minutes after which they are deleted.
        followers: Event streams of the API that may be open at once.
        pages: Requests of open pages that may be in flight at once.
        upload_mb: Largest image or recipe a page may send, in megabytes.
        annotate_files: Images that a page may have read at a time.
        annotate_mb: Their megabytes in all.
        data: Folder in which pages build data sets, by name and for all who open a page; None gives
            each page a temporary folder until it closes.
        data_images: Images of a data set that a page may build.
        runs: Folder with runs of the lab whose curves the page shows.
        page_minutes: Minutes after which a page is forgotten that holds no connection and asks for
            nothing; so are results that nobody asked for.
        open_pages: Pages that may be open at once; the one that is silent longest goes first.
        memory_mb: What may be kept in memory for pages, in megabytes: of images that were read, of
            grids, of messages that nobody fetched, and of results of jobs, each.
        disk_mb: What may be kept on the disk for pages: finished files, and data sets, each.
        first_face: Whether a freshly opened page makes a face by itself.
        live: Whether pages may follow a slider with drafts.
        watermark: Whether pictures get the imperceptible watermark unless a page switches it off.
        visible_label: Whether they get a label that people can see unless a page switches it off.
        trusted_hosts: Names beside those of its address that the server answers to, separated by
            commas; ``*.lab.example`` for all below a name.
        auth: Who may use the server: ``users:FILE`` or ``token:FILE``; None lets everybody.
        insecure: Whether it may listen on addresses of other machines without that.
        proxies: Addresses and networks, separated by commas, whose forwarded headers count.
        root_path: Prefix under which a proxy serves the studio, such as ``/synfer``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Path | None = None
    waiting: int = Field(8, ge=0, le=1000)
    per_client: int = Field(6, ge=1, le=1000)
    kept: int = Field(128, ge=1, le=1000)
    kept_minutes: int = Field(15, ge=1, le=1440)
    followers: int = Field(64, ge=1, le=1000)
    pages: int = Field(32, ge=1, le=1000)
    upload_mb: int = Field(10, ge=1, le=200)
    annotate_files: int = Field(60, ge=1, le=1000)
    annotate_mb: int = Field(120, ge=1, le=4000)
    data: Path | None = None
    data_images: int = Field(2000, ge=1, le=1_000_000)
    runs: Path | None = None
    page_minutes: float = Field(30.0, gt=0.0, le=1440.0)
    open_pages: int = Field(500, ge=1, le=10_000)
    memory_mb: int = Field(500, ge=1, le=100_000)
    disk_mb: int = Field(20_000, ge=1, le=100_000_000)
    first_face: bool = True
    live: bool = True
    watermark: bool = True
    visible_label: bool = False
    trusted_hosts: str = ""
    auth: str | None = None
    insecure: bool = False
    proxies: str = ""
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*/?$", max_length=200)] = ""

    @field_validator("root_path")
    @classmethod
    def _bare(cls, value: str) -> str:
        """Without a slash at its end, as ASGI has it."""
        return value.rstrip("/")

    @field_validator("proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Settings from environment variables.

        Raises:
            RequestError: A variable with the prefix is unknown or out of range.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX)
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise _translate(error) from error

    @property
    def marking(self) -> Marking:
        """What is put onto pictures unless a page says otherwise."""
        return Marking(watermark=self.watermark, label=self.visible_label)

    @property
    def in_memory(self) -> Bounds:
        """Limits of what is kept in memory for pages."""
        return Bounds(self.page_minutes * 60.0, self.open_pages, self.memory_mb * 1_000_000)

    @property
    def on_disk(self) -> Bounds:
        """Limits of what is kept on the disk for pages."""
        return Bounds(self.page_minutes * 60.0, self.open_pages, self.disk_mb * 1_000_000)

    @property
    def body_bytes(self) -> int:
        """Largest request body: base64 grows a file by a third, and a form comes along."""
        return self.upload_mb * 1_400_000 + 200_000


def _translate(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False)[0]
    name = PREFIX + str(first["loc"][0]).upper()
    if first["type"] == "extra_forbidden":
        known = ", ".join(PREFIX + field.upper() for field in Settings.model_fields)
        return RequestError("unknown setting", field=name, allowed=known)
    allowed = _SUCH_AS.get(str(first["loc"][0]))
    message = first["msg"].removeprefix("Value error, ")
    return RequestError(message, field=name, allowed=allowed and f"such as {allowed}")
