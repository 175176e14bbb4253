import contextlib
import io
import os
import stat
import subprocess
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manager.errors import BadArchive
from manager.files.entries import Limits
from manager.files.unpack import archive_format, extract, unpack
from tests.unit.manager.files.archives import ZIP_DEVICE, ZIP_LINK, add, tar, zipped

APPLICATION = {"app/blueprint.yaml": b"nodes", "app/scripts/create.sh": b"#!/bin/sh\n"}
SMALL = Limits(entries=20, total_bytes=100_000, ratio=10, free_bytes=10_000)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def hostile(tmp_path):
    """Return a function that makes a tar with one harmless file and what it is told to add."""

    def make(*entries):
        path = tmp_path / "hostile.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            add(archive, "app/blueprint.yaml", b"nodes")
            for name, fields in entries:
                add(archive, name, **fields)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("zip", lambda path: zipped(path, APPLICATION)),
        ("tar", lambda path: tar(path, APPLICATION, "w:")),
        ("tar.gz", lambda path: tar(path, APPLICATION)),
        ("tar.bz2", lambda path: tar(path, APPLICATION, "w:bz2")),
    ],
)
def test_each_format_gives_the_one_folders_content(tmp_path, name, make):
    archive = make(tmp_path / "archive")

    assert archive_format(archive) == name
    assert unpack(archive, tmp_path / "target") == tmp_path / "target"
    assert tree(tmp_path / "target") == {
        "blueprint.yaml": b"nodes",
        "scripts/create.sh": b"#!/bin/sh\n",
    }


def test_what_was_there_is_replaced_whole(tmp_path):
    target = tmp_path / "target"
    unpack(tar(tmp_path / "a", {"app/old": b"old"}), target)

    unpack(tar(tmp_path / "b", {"app/new": b"new"}), target)

    assert tree(target) == {"new": b"new"}
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_a_bad_archive_leaves_the_target_as_it_was(tmp_path, hostile):
    target = tmp_path / "target"
    unpack(tar(tmp_path / "a", {"app/old": b"old"}), target)

    with pytest.raises(BadArchive):
        unpack(hostile(("../escape", {})), target)

    assert tree(target) == {"old": b"old"}
    assert list((tmp_path / ".incoming").iterdir()) == []


@pytest.mark.parametrize(
    "files", [{}, {"blueprint.yaml": b""}, {"a/x": b"", "b/x": b""}], ids=["none", "file", "two"]
)
def test_there_must_be_one_folder_on_top(tmp_path, files):
    with pytest.raises(BadArchive):
        unpack(tar(tmp_path / "archive", files, "w:"), tmp_path / "target")


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>" * 500, b"\x1f\x8b" + b"x" * 600])
def test_what_is_no_archive_is_refused_in_the_originals_words(tmp_path, content):
    path = tmp_path / "archive"
    path.write_bytes(content)

    with pytest.raises(BadArchive, match=r"unrecognized format|broken"):
        unpack(path, tmp_path / "target")


@pytest.mark.parametrize(
    "name",
    ["../escape", "app/../../escape", "/escape", "app/\x01name", "app/" + "n" * 300, "app/.."],
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_no_name_leads_out_of_the_folder(tmp_path, name, kind):
    files = {"app/x": b"", name: b"evil"}
    path = tmp_path / "box" / "archive"
    path.parent.mkdir()
    archive = zipped(path, files) if kind == "zip" else tar(path, files)

    with pytest.raises(BadArchive):
        unpack(archive, tmp_path / "box" / "target")

    assert tree(tmp_path).keys() == {"box/archive"}


@pytest.mark.parametrize("link", ["/etc/passwd", "../../x", "../../../etc/passwd"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_no_link_leads_out_of_the_folder(tmp_path, hostile, link, kind):
    archive = hostile(("app/link", {"type": kind, "linkname": link}))

    with pytest.raises(BadArchive):
        unpack(archive, tmp_path / "target")


def test_no_file_is_written_through_a_link(tmp_path, hostile):
    """First a link to a folder outside, then a file in it: the classic."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = {"type": tarfile.SYMTYPE, "linkname": str(outside)}

    with pytest.raises(BadArchive):
        unpack(hostile(("app/x", link), ("app/x/evil", {})), tmp_path / "target")

    assert tree(outside) == {}


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"?"])
def test_devices_and_pipes_are_refused(tmp_path, hostile, kind):
    with pytest.raises(BadArchive):
        unpack(hostile(("app/device", {"type": kind})), tmp_path / "target")


def test_devices_and_links_of_a_zip_are_refused(tmp_path):
    device = zipped(tmp_path / "device", {"app/x": b""}, mode=ZIP_DEVICE)
    link = zipped(tmp_path / "link", {"app/x": b"/etc/passwd"}, mode=ZIP_LINK)

    for archive in (device, link):
        with pytest.raises(BadArchive):
            unpack(archive, tmp_path / "target")


def test_links_within_the_archive_become_copies(tmp_path):
    """The original resolves them too; the web server follows none."""
    path = tmp_path / "archive"
    with tarfile.open(path, "w") as archive:
        add(archive, "app/second", type=tarfile.SYMTYPE, linkname="first")
        add(archive, "app/first", type=tarfile.SYMTYPE, linkname="scripts/run")
        add(archive, "app/hard", type=tarfile.LNKTYPE, linkname="app/scripts/run")
        add(archive, "app/copy", type=tarfile.SYMTYPE, linkname="./scripts")
        add(archive, "app/nothing", type=tarfile.SYMTYPE, linkname="absent")
        add(archive, "app/scripts/run", b"run", mode=0o755)

    target = unpack(path, tmp_path / "target")

    names = {"second", "first", "hard", "copy/run", "scripts/run"}
    assert tree(target) == dict.fromkeys(names, b"run")
    assert not [path for path in target.rglob("*") if path.is_symlink()]
    assert (target / "second").stat().st_mode & 0o111


def test_a_link_to_its_own_parent_ends(tmp_path, hostile):
    archive = hostile(("app/loop", {"type": tarfile.SYMTYPE, "linkname": "."}))

    assert tree(unpack(archive, tmp_path / "target")).keys() == {
        "blueprint.yaml",
        "loop/blueprint.yaml",
    }


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_stopped_before_it_grows(tmp_path, kind):
    path, zeros = tmp_path / "bomb", {"app/zeros": bytes(20_000_000)}
    archive = zipped(path, zeros) if kind == "zip" else tar(path, zeros)

    with pytest.raises(BadArchive, match="unpacks to more than"):
        extract(archive, tmp_path / "target", limits=SMALL)

    assert sum(map(len, tree(tmp_path / "target").values())) <= 100_000


def test_a_link_cannot_multiply_a_file_beyond_the_limit(tmp_path):
    path = tmp_path / "archive"
    with tarfile.open(path, "w") as archive:
        add(archive, "app/large", bytes(60_000))
        add(archive, "app/copy", type=tarfile.LNKTYPE, linkname="app/large")

    with pytest.raises(BadArchive, match="unpacks to more than"):
        unpack(path, tmp_path / "target", limits=SMALL)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_entries_are_counted(tmp_path, kind):
    files = {f"app/{number}": b"" for number in range(21)}
    path = tmp_path / "archive"
    archive = zipped(path, files) if kind == "zip" else tar(path, files)

    with pytest.raises(BadArchive, match="more than 20 entries"):
        unpack(archive, tmp_path / "target", limits=SMALL)


def test_a_sparse_file_is_refused(tmp_path):
    """Its header claims a size that no bytes of the archive stand for."""
    path, large = tmp_path / "archive", tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1_000_000)
    subprocess.run(["tar", "-C", tmp_path, "--sparse", "-cf", path, "large"], check=True)

    with pytest.raises(BadArchive):
        extract(path, tmp_path / "target")


def test_a_header_that_claims_to_be_huge_is_not_read_into_memory(tmp_path):
    """An extended header of 200 MB shrinks to 200 kB; tarfile would read it at once."""
    path = tmp_path / "archive"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "header", bytes(200_000_000), type=tarfile.XHDTYPE)

    tracemalloc.start()
    with pytest.raises(BadArchive):
        extract(path, tmp_path / "target", limits=Limits(ratio=10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 20_000_000


@pytest.mark.parametrize("make", [zipped, tar])
def test_an_archive_that_breaks_off_is_refused(tmp_path, make):
    whole = make(tmp_path / "whole", {"app/x": os.urandom(50_000), "app/y": os.urandom(50_000)})
    content = whole.read_bytes()

    for length in range(600, len(content) - 20, 9_973):
        (tmp_path / "part").write_bytes(content[:length])
        with pytest.raises(BadArchive):
            unpack(tmp_path / "part", tmp_path / "target")


def test_a_tar_that_breaks_off_at_a_header_is_refused(tmp_path):
    """tarfile takes a header that it cannot read for the end of the archive."""
    content = tar(tmp_path / "a", {"app/x": b"x" * 512, "app/y": b"y" * 512}, "w:").read_bytes()
    header_of_y = content.index(b"app/y")
    (tmp_path / "b").write_bytes(content[: header_of_y + 100])

    with pytest.raises(BadArchive):
        unpack(tmp_path / "b", tmp_path / "target")


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path):
    archive = tar(tmp_path / "a", {"app/x": b"", "app/x/y": b""})

    with pytest.raises(BadArchive):
        unpack(archive, tmp_path / "target")


def test_the_web_server_may_read_all_and_programs_stay_programs(tmp_path):
    path = tmp_path / "archive"
    with tarfile.open(path, "w") as archive:
        add(archive, "app", type=tarfile.DIRTYPE, mode=0o000)
        add(archive, "app/secret", b"", mode=0o600)
        add(archive, "app/run", b"", mode=0o4711)
    umask = os.umask(0o077)
    try:
        target = unpack(path, tmp_path / "target")
    finally:
        os.umask(umask)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [target, *target.iterdir()]}
    assert modes == {"target": 0o755, "secret": 0o644, "run": 0o755}


names = st.lists(
    st.sampled_from(["app", "a", "..", ".", "", "x\x00y", "\udcff", "/", "C:"]), min_size=1
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            names.map("/".join),
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
            names.map("/".join),
        ),
        max_size=6,
    )
)
def test_whatever_a_tar_says_nothing_is_written_elsewhere(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("box")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, link in entries:
            add(archive, name, b"", type=kind, linkname=link)
    (folder / "archive").write_bytes(stream.getvalue())

    with contextlib.suppress(BadArchive):
        extract(folder / "archive", folder / "target", limits=SMALL)

    assert {path.name for path in folder.iterdir()} <= {"archive", "target"}
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_archive_is_refused_or_unpacked_but_never_an_accident(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("box")
    make = data.draw(st.sampled_from([zipped, tar, lambda p, f: tar(p, f, "w:")]))
    content = bytearray(make(folder / "whole", APPLICATION).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    (folder / "damaged").write_bytes(content)

    with contextlib.suppress(BadArchive):
        extract(folder / "damaged", folder / "target", limits=SMALL)

    assert {path.name for path in folder.iterdir()} <= {"whole", "damaged", "target"}


def test_a_zip_that_is_encrypted_is_refused(tmp_path):
    path = zipped(tmp_path / "archive", {"app/x": b"secret"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)

    with pytest.raises(BadArchive):
        unpack(path, tmp_path / "target")


def test_a_zip_with_a_huge_directory_is_not_read(tmp_path):
    path = tmp_path / "archive"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(15_000):
            archive.writestr(f"app/{'n' * 60}{number}", b"")

    with pytest.raises(BadArchive, match="header"):
        unpack(path, tmp_path / "target", limits=SMALL)
