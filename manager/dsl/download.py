"""Fetch a small text by HTTP, within bounds of time and size."""

import time
from collections.abc import Iterator

import requests

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 10
TOTAL_TIMEOUT_S = 30
MAX_BYTES = 10 << 20
_ATTEMPTS = 3


class DownloadFailed(Exception):
    """The text cannot be had; says why."""


def download_text(url: str) -> str:
    """Return what an http or https URL serves, as UTF-8; raises DownloadFailed.

    A lost connection and a server's failure (5xx) are tried again, three times in all.
    """
    deadline = time.monotonic() + TOTAL_TIMEOUT_S
    for attempt in range(_ATTEMPTS):
        is_last = attempt == _ATTEMPTS - 1
        try:
            with _get(url) as response:
                if response.status_code >= 500 and not is_last:
                    continue
                return _text(response, deadline)
        except (requests.ConnectionError, requests.Timeout) as error:
            if is_last or time.monotonic() > deadline:
                raise DownloadFailed(str(error)) from error
        except requests.RequestException as error:
            raise DownloadFailed(str(error)) from error
    raise AssertionError("the last attempt returns or raises")


def _get(url: str) -> requests.Response:
    return requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))


def _text(response: requests.Response, deadline: float) -> str:
    if not response.ok:
        raise DownloadFailed(f"status code: {response.status_code}")
    body = b"".join(_bounded(response, deadline))
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise DownloadFailed(f"it is not UTF-8: {error}") from error


def _bounded(response: requests.Response, deadline: float) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(1 << 16):
        size += len(chunk)
        if size > MAX_BYTES:
            raise DownloadFailed(f"it is larger than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise DownloadFailed(f"it took longer than {TOTAL_TIMEOUT_S} s")
        yield chunk
