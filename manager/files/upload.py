"""Take a request's body to disk as it comes, in the memory of one chunk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from manager.errors import BadParameters, TooLarge
from manager.files.tree import FILE_MODE
from manager.files.write import draft, publish

_CHUNK = 256 * 1024
_MAX_FIELD = 1024 * 1024
_MAX_PARTS = 50
_MAX_BOUNDARY = 200


class Body(Protocol):
    """A request's body: `read(n)` gives at most n bytes, and none at the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""


@dataclass(slots=True)
class Upload:
    """What a request brought: one file, still a draft, and the form's fields beside it."""

    path: Path
    size: int | None = None  # None: no file came
    fields: dict[str, str] = field(default_factory=dict)

    def keep(self, target: Path, modified_s: float | None = None) -> None:
        """Give the file its place in the tree."""
        if modified_s is not None:
            os.utime(self.path, (modified_s, modified_s))
        publish(self.path, target)


@contextmanager
def received(body: Body, content_type: str, incoming: Path, max_bytes: int) -> Iterator[Upload]:
    """Give what a body brought, on disk; it is dropped unless kept.

    A form's first file is taken, a body of another type is the file. Raises TooLarge beyond
    `max_bytes`, BadParameters for a form that breaks off or has no sense.
    """
    kind, options = parse_options_header(content_type)
    with draft(incoming) as path:
        upload = Upload(path)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            sink = _Sink(file, max_bytes)
            if kind == "multipart/form-data":
                _receive_form(body, options.get("boundary", ""), upload, sink)
            else:
                for chunk in _chunks(body):
                    sink.write(chunk)
                upload.size = sink.size
            file.flush()
            os.fsync(file.fileno())
        yield upload


class _Sink:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._max_bytes:
            raise TooLarge(f"The upload is larger than {self._max_bytes} bytes")
        self._file.write(data)


def _chunks(body: Body) -> Iterator[bytes]:
    while chunk := body.read(_CHUNK):
        yield chunk


def _receive_form(body: Body, boundary: str, upload: Upload, sink: _Sink) -> None:
    if not boundary or len(boundary) > _MAX_BOUNDARY:
        raise BadParameters("The form has no valid boundary")
    decoder = MultipartDecoder(
        boundary.encode(), max_form_memory_size=2 * _CHUNK + _MAX_FIELD, max_parts=_MAX_PARTS
    )
    form = _Form(upload, sink)
    try:
        for chunk in _chunks(body):
            decoder.receive_data(chunk)
            _take_events(decoder, form)
        decoder.receive_data(None)
        _take_events(decoder, form)
    except RequestEntityTooLarge as error:
        raise TooLarge("A field of the form is too large, or there are too many") from error
    except (
        ValueError,
        AttributeError,
    ) as error:  # the decoder meets no line break where one must be
        raise BadParameters("The form is malformed or breaks off") from error


def _take_events(decoder: MultipartDecoder, form: "_Form") -> None:
    while True:
        event = decoder.next_event()
        if isinstance(event, NeedData | Epilogue):
            return
        if isinstance(event, File | Field):
            form.begin(event)
        elif isinstance(event, Data):
            form.add(event)


class _Form:
    """Takes the parts of a form: the first file to disk, fields to memory."""

    def __init__(self, upload: Upload, sink: _Sink) -> None:
        self._upload = upload
        self._sink = sink
        self._part: File | Field | None = None
        self._field = bytearray()

    def begin(self, part: File | Field) -> None:
        self._part = part
        self._field.clear()
        if isinstance(part, File):
            if self._upload.size is not None:
                raise BadParameters("The form has more than one file")
            self._upload.size = 0

    def add(self, data: Data) -> None:
        if isinstance(self._part, File):
            self._sink.write(data.data)
            self._upload.size = self._sink.size
        elif isinstance(self._part, Field):
            self._add_to_field(self._part, data)

    def _add_to_field(self, part: Field, data: Data) -> None:
        self._field += data.data
        if len(self._field) > _MAX_FIELD:
            raise TooLarge(f"The field {part.name} is larger than {_MAX_FIELD} bytes")
        if not data.more_data:
            self._upload.fields[part.name] = self._field.decode()
