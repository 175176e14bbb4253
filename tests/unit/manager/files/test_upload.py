import contextlib
import io
import os
import stat
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from manager.errors import BadParameters, ManagerError, TooLarge
from manager.files.upload import received

RAW = "application/octet-stream"
LIMIT = 10_000_000


@pytest.fixture
def incoming(tmp_path):
    return tmp_path / ".incoming"


class Zeros:
    """A body of so many zeros that exists nowhere."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def form(**fields):
    encoder = MultipartEncoder(fields=fields)
    return io.BytesIO(encoder.to_string()), encoder.content_type


def test_a_raw_body_is_the_file(tmp_path, incoming):
    content = os.urandom(700_000)

    with received(io.BytesIO(content), RAW, incoming, LIMIT) as upload:
        upload.keep(tmp_path / "a" / "b" / "file")

    assert upload.size == 700_000
    assert (tmp_path / "a" / "b" / "file").read_bytes() == content
    assert list(incoming.iterdir()) == []


def test_a_form_as_the_client_sends_it_gives_fields_and_file(tmp_path, incoming):
    content = os.urandom(600_000)
    body, kind = form(params='{"a": 1}', blueprint_archive=("filename", content, "text/plain"))

    with received(body, kind, incoming, LIMIT) as upload:
        upload.keep(tmp_path / "file")

    assert upload.fields == {"params": '{"a": 1}'}
    assert (tmp_path / "file").read_bytes() == content


def test_a_form_without_a_file_is_told_from_an_empty_file(incoming):
    with received(*form(params="{}"), incoming, LIMIT) as none:
        assert none.size is None
    with received(*form(file=("name", b"", "text/plain")), incoming, LIMIT) as empty:
        assert empty.size == 0


def test_an_upload_that_is_not_kept_is_dropped(incoming):
    with received(io.BytesIO(b"x"), RAW, incoming, LIMIT):
        assert len(list(incoming.iterdir())) == 1

    assert list(incoming.iterdir()) == []


@pytest.mark.parametrize("as_form", [False, True])
def test_beyond_the_limit_nothing_stays(incoming, as_form):
    body, kind = form(file=("f", b"x" * 101, "")) if as_form else (io.BytesIO(b"x" * 101), RAW)

    with pytest.raises(TooLarge), received(body, kind, incoming, 100):
        pass

    assert list(incoming.iterdir()) == []


def test_a_field_cannot_fill_the_memory(incoming):
    with pytest.raises(TooLarge), received(*form(params="x" * 3_000_000), incoming, LIMIT):
        pass


@pytest.mark.parametrize("cut", [3, 30, 200, 100_000])
def test_a_form_that_breaks_off_is_refused(incoming, cut):
    body, kind = form(params="{}", file=("f", os.urandom(300_000), "text/plain"))
    content = body.getvalue()[:-cut]

    with pytest.raises(BadParameters), received(io.BytesIO(content), kind, incoming, LIMIT):
        pass

    assert list(incoming.iterdir()) == []


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 201}"]
)
def test_a_form_needs_a_boundary(incoming, kind):
    with pytest.raises(BadParameters), received(io.BytesIO(b"x"), kind, incoming, LIMIT):
        pass


def test_two_files_are_refused(incoming):
    body, kind = form(a=("a", b"1", ""), b=("b", b"2", ""))

    with pytest.raises(BadParameters), received(body, kind, incoming, LIMIT):
        pass


def test_the_web_server_may_read_it_whatever_the_umask(tmp_path, incoming):
    umask = os.umask(0o077)
    try:
        with received(io.BytesIO(b"x"), RAW, incoming, LIMIT) as upload:
            upload.keep(tmp_path / "new" / "file")
    finally:
        os.umask(umask)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/file")]
    assert modes == [0o755, 0o644]


@pytest.mark.parametrize(("age_s", "left"), [(86_000, ["file", "folder"]), (87_000, [])])
def test_what_a_dead_process_left_is_dropped_after_a_day(incoming, monkeypatch, age_s, left):
    (incoming / "folder" / "deep").mkdir(parents=True)
    (incoming / "file").write_bytes(b"x")
    os.utime(incoming / "file", (0, 0))  # a file keeps the time of its original
    now = time.time() + age_s
    monkeypatch.setattr("manager.files.write.time.time", lambda: now)

    with received(io.BytesIO(b""), RAW, incoming, LIMIT):
        pass

    assert sorted(path.name for path in incoming.iterdir()) == left


def test_an_upload_takes_the_memory_of_a_chunk(incoming):
    tracemalloc.start()
    with received(Zeros(200_000_000), RAW, incoming, 200_000_000) as upload:
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert upload.size == 200_000_000
    assert peak < 3_000_000


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_form_is_an_accident(tmp_path_factory, noise, position):
    body, kind = form(params="{}", file=("f", b"content\r\n" * 10, "text/plain"))
    content = body.getvalue()
    damaged = content[:position] + noise + content[position + len(noise) :]

    folder = tmp_path_factory.mktemp("incoming")
    with (
        contextlib.suppress(ManagerError),
        received(io.BytesIO(damaged), kind, folder, LIMIT) as upload,
    ):
        assert upload.fields.keys() <= {"params"} or noise
