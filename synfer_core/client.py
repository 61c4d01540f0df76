"""A client of the studio's HTTP API: recipes in, faces and readings out; needs httpx, not torch.

    with Client("http://127.0.0.1:7860") as studio:
        face = studio.generate({"facs": "6C+12D", "identity_seed": 7})
        face.save_png(Path("face.png"))

Errors of the server are raised as the classes of `synfer_core.errors`, as if the work had been done
here.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from synfer_core.environment import proxy_of
from synfer_core.errors import (
    BusyError,
    CancelledError,
    FaultError,
    ImageError,
    MissingError,
    RequestError,
    SynferError,
    UnreachableError,
)
from synfer_core.facs import Expression
from synfer_core.files import write_whole
from synfer_core.request import Recipe
from synfer_core.wire import PREFIX, Event, Failure, Job, Reading, Reference, Vocabulary

log = logging.getLogger(__name__)

TOKEN_VARIABLE = "SYNFER_TOKEN"
"""Environment variable with the token, or ``NAME:PASSWORD``; on no command line or process list."""

PATIENCE = 60.0
"""Seconds for which a server that is busy or silent is asked again."""

_READING = httpx.Timeout(30.0, read=600.0)
_SILENCE_SECONDS = 60.0
_ADDRESS = "such as http://127.0.0.1:7860"
_PAUSE_SECONDS = 0.5

Shape = TypeVar("Shape", bound=BaseModel)
Answer = TypeVar("Answer")
Asked = Recipe | Mapping[str, Any]
"""A recipe, or its fields."""


@dataclass(frozen=True)
class Face:
    """A face that the server made.

    Attributes:
        job: Name of the job that made it.
        png: The picture as PNG, the recipe in its metadata.
        recipe: The recipe, with the weights' hash filled in.
        report: What was measured on it (see `report.Result.to_dict`).
    """

    job: str
    png: bytes
    recipe: Recipe
    report: Mapping[str, Any]

    def save_png(self, path: Path) -> None:
        """Write the picture beside its place and rename it into place.

        Raises:
            RequestError: The folder is missing or cannot be written to.
        """
        write_whole(path, self.png)


class Client:
    """One server. Use it in a ``with`` block, or call `close`.

    Args:
        url: The server's address, such as ``http://127.0.0.1:7860``.
        timeout: Seconds to wait for an answer; readings may take longer, for they wait in the
            server's queue.
        token: The server's token, or ``NAME:PASSWORD`` of a user; None takes the variable
            `TOKEN_VARIABLE`, if it is set.

    The environment's proxies count for other machines alone, and ``SSL_CERT_FILE`` names the
    certificates that are trusted in place of the usual ones.

    Raises:
        RequestError: The address is none, or the environment's proxy or certificates are no good.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        *,
        timeout: float = 30.0,
        token: str | None = None,
    ):
        token = os.environ.get(TOKEN_VARIABLE) if token is None else token
        self._http = _connected(url.rstrip("/") + PREFIX, timeout, _credentials(token))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def vocabulary(self) -> Vocabulary:
        """All that a recipe may name: expressions, action units, intensities, backbones."""
        return _shaped(Vocabulary, self._send("GET", "/vocabulary"))

    def check(self, recipe: Asked) -> Recipe:
        """The recipe completed, without making anything.

        Raises:
            RequestError: Names the first field that is wrong and what is allowed there.
        """
        return Recipe.parse_json(self._send("POST", "/recipes/check", **_json(recipe)).content)

    def submit(self, recipe: Asked, *, patience: float = 0.0) -> Job:
        """Put a recipe in the server's queue.

        Args:
            recipe: What to make.
            patience: Seconds for which a busy server is asked again, when it says to.

        Raises:
            RequestError: The recipe is wrong.
            BusyError: The queue is still full.
        """
        body = _json(recipe)
        return _when_free(lambda: _shaped(Job, self._send("POST", "/jobs", **body)), patience)

    def job(self, job: str) -> Job:
        """A job as it stands.

        Raises:
            MissingError: There is none of that name.
        """
        return _shaped(Job, self._send("GET", f"/jobs/{_part(job)}"))

    def events(self, job: str, after: int = 0, *, patience: float = PATIENCE) -> Iterator[Event]:
        """A job's events until the final one. A connection that breaks is taken up again.

        Args:
            job: The job's name.
            after: Number of the last event that is known.
            patience: Seconds for which a server that is gone is looked for.

        Raises:
            MissingError: There is no such job, or it was lost as the server went down.
            UnreachableError: The server is gone.
            BusyError: The server has no place for another event stream.
        """
        heard = time.monotonic()
        while True:
            known = after
            try:
                for event in self._events(job, after):
                    yield event
                    after, heard = event.number, time.monotonic()
                    if event.final:
                        return
                if after == known and self.job(job).final:
                    return
            except (UnreachableError, BusyError) as error:
                if time.monotonic() - heard > patience:
                    raise
                log.debug("events of job %s broke off after number %d: %s", job, after, error)
            time.sleep(_PAUSE_SECONDS)

    def cancel(self, job: str) -> Job:
        """Stop a job within the denoising step it is in.

        Raises:
            MissingError: There is no such job.
        """
        return _shaped(Job, self._send("POST", f"/jobs/{_part(job)}/cancel"))

    def discard(self, job: str) -> None:
        """Stop a job and have the server delete what it made.

        Raises:
            MissingError: There is no such job.
        """
        self._send("DELETE", f"/jobs/{_part(job)}")

    def result(self, job: str) -> Face:
        """What a finished job made.

        Raises:
            StateError: It has not finished, has failed or was cancelled.
            MissingError: There is no such job, it has been deleted, or it made no face.
        """
        path = f"/jobs/{_part(job)}"
        report = _loaded(self._send("GET", f"{path}/report"))
        if "recipe" not in report:
            raise MissingError("the job read an image and made no face", field="job_id")
        png = self._send("GET", f"{path}/image").content
        return Face(job, png, Recipe.parse(report["recipe"]), report)

    def attention(self, job: str) -> dict[str, bytes]:
        """Where action units and words acted: a see-through PNG for each, by name.

        Raises:
            StateError: The job has not finished, has failed or was cancelled.
            MissingError: There is no such job, or it has been deleted.
        """
        path = f"/jobs/{_part(job)}/attention"
        names = _loaded(self._send("GET", path))
        return {name: self._send("GET", f"{path}/{_part(name)}").content for name in names}

    def generate(
        self,
        recipe: Asked,
        progress: Callable[[Event], None] | None = None,
        *,
        patience: float = PATIENCE,
    ) -> Face:
        """Make a face and wait for it. Whatever ends the wait early cancels the job.

        Args:
            recipe: What to make.
            progress: Called with each event; what it raises ends the wait.
            patience: Seconds for which a server that is busy or silent is asked again.

        Raises:
            RequestError: The recipe is wrong.
            BusyError: The queue is still full.
            CancelledError: Somebody else cancelled the job.
            MissingError: The job was lost as the server went down.
            UnreachableError: The server is gone.
        """
        job = self.submit(recipe, patience=patience).id
        last = None
        try:
            for last in self.events(job, patience=patience):
                if progress:
                    progress(last)
        finally:
            if last is None or not last.final:
                # What ended the wait is what the caller is to hear of.
                with contextlib.suppress(SynferError):
                    self.cancel(job)
        if last is not None and last.error:
            raise last.error.to_error()
        if last is not None and last.state == "cancelled":
            raise CancelledError("The run was cancelled.")
        return self.result(job)

    def annotate(
        self,
        image: bytes | Path,
        label: Expression | None = None,
        *,
        patience: float = PATIENCE,
    ) -> Reading:
        """Read an image: label, action units, verdict.

        Args:
            image: A PNG, JPEG, WebP, BMP, TIFF or AVIF file or its bytes.
            label: What it is said to show; FERAnno and the experts vote on that.
            patience: Seconds for which a busy server is asked again.

        Raises:
            ImageError: It cannot be read, or shows no face.
            TooLargeError: The server takes no file of that size.
            BusyError: The queue is still full.
        """
        form: dict[str, str] = {"label": label} if label else {}
        return _shaped(Reading, self._upload("/annotate", image, form, patience))

    def reference(self, image: bytes | Path, *, patience: float = PATIENCE) -> Reference:
        """A face made ready to be edited, as a recipe's `reference` takes it.

        Raises:
            ImageError: It cannot be read, or shows no face.
            TooLargeError: The server takes no file of that size.
            BusyError: The queue is still full.
        """
        return _shaped(Reference, self._upload("/references", image, {}, patience))

    def _upload(
        self, path: str, image: bytes | Path, form: dict[str, str], patience: float
    ) -> httpx.Response:
        data = image if isinstance(image, bytes) else _read(image)
        options: dict[str, Any] = {"files": {"image": data}, "data": form, "timeout": _READING}
        return _when_free(lambda: self._send("POST", path, **options), patience)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer that is no error.

        Raises:
            SynferError: The error that the server answered with.
            UnreachableError: No server answers.
        """
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(error) from error
        _check(response)
        return response

    def _events(self, job: str, after: int) -> Iterator[Event]:
        """The events of one connection."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        path = f"/jobs/{_part(job)}/events"
        try:
            with self._http.stream(
                "GET", path, headers=headers, timeout=_SILENCE_SECONDS
            ) as response:
                if not response.is_success:
                    response.read()
                _check(response)
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        yield Event.model_validate_json(line.removeprefix("data: "))
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _unreachable(error) from error


def _credentials(token: str | None) -> dict[str, str]:
    """The header that a token, or a name and a password, go in.

    Raises:
        RequestError: It holds what no header can.
    """
    if not token:
        return {}
    if ":" in token:
        return {"Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"}
    if not token.isascii() or not token.isprintable():
        raise RequestError("is no token", field="token", allowed="a token, or NAME:PASSWORD")
    return {"Authorization": f"Bearer {token}"}


def _connected(url: str, timeout: float, headers: Mapping[str, str]) -> httpx.Client:
    """The connections to one server, by the environment's proxy where it has one for it.

    The library itself would ask a proxy for this machine too, and fail at variables that are not
    about this server.

    Raises:
        RequestError: The address is none, or proxy or certificates cannot be used.
    """
    proxy, scheme = proxy_of(_checked(url)), url.partition(":")[0].lower()
    secure = scheme == "https" or (proxy or "").startswith("https")
    try:
        return httpx.Client(
            base_url=url,
            timeout=timeout,
            headers=headers,
            trust_env=False,
            proxy=proxy,
            verify=httpx.create_ssl_context() if secure else True,
        )
    # SOCKS needs a package of its own, and SSL_CERT_FILE may name what is no file of certificates.
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        message = f"the environment's proxy or certificates cannot be used: {error}"
        allowed = "an HTTP proxy, or the server's name in NO_PROXY; SSL_CERT_FILE a PEM file"
        raise RequestError(message, field="url", allowed=allowed) from error


def _checked(url: str) -> str:
    """The address.

    Raises:
        RequestError: It is none.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise RequestError(f"is no address: {error}", field="url", allowed=_ADDRESS) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RequestError("is no address", field="url", allowed=_ADDRESS)
    return url


def _when_free(ask: Callable[[], Answer], patience: float) -> Answer:
    """What a server answers once it is not busy; it is asked again when it says to.

    Raises:
        BusyError: It still is when the patience, in seconds, is over.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return ask()
        except BusyError as error:
            if time.monotonic() + error.retry_after > end:
                raise
            time.sleep(error.retry_after)


def _part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _json(recipe: Asked) -> dict[str, Any]:
    """A recipe as a request's body; what is wrong with it is found before anything is sent."""
    checked = recipe if isinstance(recipe, Recipe) else Recipe.parse(recipe)
    return {"content": checked.to_json(), "headers": {"Content-Type": "application/json"}}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}", field=str(path)) from error


def _shaped(shape: type[Shape], response: httpx.Response) -> Shape:
    """The answer's JSON.

    Raises:
        FaultError: It is not what this version of the API answers.
    """
    try:
        return shape.model_validate_json(response.content)
    except ValidationError as error:
        raise FaultError("the server's answer is not of this API", field="url") from error


def _loaded(response: httpx.Response) -> Any:
    """The answer's JSON, of any shape.

    Raises:
        FaultError: It is none.
    """
    try:
        return response.json()
    except ValueError as error:
        raise FaultError("the server's answer is not JSON", field="url") from error


def _check(response: httpx.Response) -> None:
    """Raise the error that an answer holds, if it is one."""
    if not response.is_success:
        raise _error_of(response)


def _error_of(response: httpx.Response) -> SynferError:
    try:
        return Failure.model_validate_json(response.content).error.to_error()
    except ValidationError:
        return FaultError(f"the server answered {response.status_code}", field="url")


def _unreachable(error: Exception) -> UnreachableError:
    return UnreachableError(f"no answer from the server: {error or type(error).__name__}")
