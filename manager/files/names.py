"""Names that may become files: nothing that a client sends leads out of its folder."""

from urllib.parse import unquote, unquote_to_bytes

from manager.errors import BadParameters

_MAX_PATH_BYTES = 2048  # Linux takes 4095, from the root
MAX_NAME_BYTES = 255  # of one file name, on every file system that Debian offers


def is_safe_name(name: str) -> bool:
    """Tell whether `name` is one file name: no separator, no dots alone, no control characters."""
    if name in ("", ".", "..") or "/" in name:
        return False
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return False
    try:
        return len(name.encode()) <= MAX_NAME_BYTES
    except UnicodeEncodeError:  # a lone surrogate is no text
        return False


def safe_name(name: str) -> str:
    """Return `name`; raises BadParameters unless it is one file name."""
    if not is_safe_name(name):
        raise BadParameters(f"{name!r} cannot be the name of a file")
    return name


def safe_parts(path: str) -> tuple[str, ...]:
    """Return the names in a relative path; raises BadParameters for each way out of a folder."""
    return tuple(safe_name(part) for part in path.split("/"))


def decoded_parts(raw_path: str) -> tuple[str, ...] | None:
    """Return the names in a URL's path as sent, or None when one of them is no name.

    Such a path is the same before and after a web server's normalisation, so that who authorises
    and who serves speak of one file. A slash at the end is allowed and gives an empty last name.
    """
    try:
        names = [unquote_to_bytes(part).decode() for part in raw_path.split("/")]
    except UnicodeDecodeError:
        return None
    if len(raw_path) > 3 * _MAX_PATH_BYTES or sum(map(len, names)) > _MAX_PATH_BYTES:
        return None
    inner = names[:-1] if names[-1] == "" else names
    return tuple(names) if inner and all(is_safe_name(name) for name in inner) else None


def file_name_of(value: str | None) -> str:
    """Return a file name that a client quoted for its way, or an empty one.

    Raises BadParameters for a path that leads out of its folder.
    """
    name = unquote(value or "")
    if name:
        safe_parts(name)
    return name
