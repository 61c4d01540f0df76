"""The one exception tree of SynFER Studio.

Every error a user can cause is a `SynferError`. It names the field concerned and, where there is
one, the allowed range, so that the command line and the studio can show it beside that field.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SynferError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: One plain sentence.
        field: The recipe field, file or option concerned, such as ``aus.AU12``.
        allowed: What would have been accepted, such as ``0 to 5``.
    """

    def __init__(self, message: str, *, field: str | None = None, allowed: str | None = None):
        super().__init__(message)
        self.message = message
        self.field = field
        self.allowed = allowed

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        rule = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{where}{self.message}{rule}"

    def to_dict(self) -> dict[str, str | None]:
        """The error as JSON: type, field, message and allowed range."""
        return {
            "type": type(self).__name__,
            "field": self.field,
            "message": self.message,
            "allowed": self.allowed,
        }


class RequestError(SynferError):
    """A recipe or option holds a value that is not allowed."""


class FormatError(RequestError):
    """A request is not in the form it should have, such as broken JSON."""


class TooLargeError(RequestError):
    """A request or a file in it is larger than the server takes."""


class UnsupportedError(RequestError):
    """The value is valid, but the chosen backbone cannot do it."""


class ImageError(SynferError):
    """An image file cannot be read, is too large, or shows no face."""


class RejectedError(ImageError):
    """An image can be read, or not even that, and is not fit for a data set.

    Attributes:
        reason: One of `synfer_core.fetext.gate.REASONS`.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "failed",
        field: str | None = None,
        allowed: str | None = None,
    ):
        super().__init__(message, field=field, allowed=allowed)
        self.reason = reason


class WeightsError(SynferError):
    """A weight file is missing, truncated, or not the one the recipe names."""


class StaleError(WeightsError):
    """What was fitted to some weights does not fit those that are here now."""


class ModelError(SynferError):
    """A network answered with what cannot be used: not a number, or not one for each class."""


class PackError(SynferError):
    """The FaceKit data pack is missing or not in the expected form."""


class DataError(SynferError):
    """A data set folder or shard is missing or not in the expected form."""


class DependencyError(SynferError):
    """An optional library or system package is absent."""


class NotReadyError(DependencyError):
    """An optional library is still being loaded or its files fetched; later it may be there."""


class CapacityError(SynferError):
    """The machine has too little memory for what is asked."""


class AnswerError(SynferError):
    """A text model's answer breaks the rules of an enriched prompt."""


class CancelledError(SynferError):
    """The user cancelled the run."""


class BusyError(SynferError):
    """The server has no place for another job now.

    Attributes:
        retry_after: Whole seconds after which a place is likely to be free.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: int,
        field: str | None = None,
        allowed: str | None = None,
    ):
        super().__init__(message, field=field, allowed=allowed)
        self.retry_after = retry_after


class QuotaError(BusyError):
    """One client has as many unfinished jobs as it may."""


class AccessError(SynferError):
    """The server does not know who asks, or not by these credentials."""


class AttemptsError(BusyError):
    """Too many wrong credentials came from one address; it has to wait."""


class MissingError(SynferError):
    """There is nothing of that name, or it has been deleted."""


class StateError(SynferError):
    """The job is not in a state that allows this: not finished yet, failed or cancelled."""


class FaultError(SynferError):
    """The work failed in a way nobody foresaw; the details are in the server's log."""


class UnreachableError(SynferError):
    """No server answers at that address, or its answer broke off."""


@contextmanager
def about(name: str) -> Iterator[None]:
    """Give the name of a picture to errors that know it as no more than an image.

    Raises:
        ImageError: As it came, with that name.
    """
    try:
        yield
    except ImageError as error:
        if error.field in (None, "image"):
            error.field = name
        raise
