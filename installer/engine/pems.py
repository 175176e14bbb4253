"""The certificates of a request to a node, each of them sent once."""


class Pems:
    """The files of a request, each of them once; a wish has its number."""

    def __init__(self) -> None:
        self.files: list[bytes] = []

    def number(self, file: bytes | None) -> int | None:
        """Return the file's number; None stays None."""
        if file is None:
            return None
        if file not in self.files:
            self.files.append(file)
        return self.files.index(file)
