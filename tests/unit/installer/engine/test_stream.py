"""A stream from node to node arrives whole, or the run fails with the words of who failed."""

import hashlib

import pytest

from installer.engine.stream import End, carry
from installer.engine.target import Target
from installer.errors import NodeUnreachable, PhaseFailed


def end(name, script):
    return End(target=Target(name), script=script)


def test_what_arrives_is_what_was_sent(tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "from").write_bytes(content)

    done = carry(
        end("m-1", f"cat {tmp_path}/from"), end("db-1", f"cat > {tmp_path}/to"), timeout_s=30
    )

    assert (tmp_path / "to").read_bytes() == content
    assert (done.bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_source_that_breaks_off_is_told_and_not_taken_for_an_end(tmp_path):
    """tar dies in the middle: the file there must not count as whole."""
    with pytest.raises(PhaseFailed) as told:
        carry(
            end("m-1", "echo half; echo the disk broke >&2; exit 2"),
            end("db-1", f"cat > {tmp_path}/to; touch {tmp_path}/taken-for-whole"),
            timeout_s=30,
        )

    assert (told.value.problems[0].where, told.value.problems[0].what) == ("m-1", "the disk broke")
    assert not (tmp_path / "taken-for-whole").exists()


def test_a_destination_that_refuses_is_told_by_its_own_words():
    with pytest.raises(PhaseFailed) as told:
        carry(
            end("m-1", "head -c 10000000 /dev/zero"),
            end("db-1", "echo no such bucket >&2; exit 39"),
            timeout_s=30,
        )

    assert (told.value.problems[0].where, told.value.problems[0].what) == ("db-1", "no such bucket")


def test_a_refusal_at_the_end_is_told_too():
    with pytest.raises(PhaseFailed) as told:
        carry(
            end("m-1", "echo x"), end("db-1", "cat > /dev/null; echo full >&2; exit 1"), timeout_s=9
        )

    assert told.value.problems[0].what == "full"


def test_a_stream_that_stands_still_ends_in_time():
    with pytest.raises(NodeUnreachable, match="did not end within"):
        carry(end("m-1", "sleep 60"), end("db-1", "cat > /dev/null"), timeout_s=0.2)
