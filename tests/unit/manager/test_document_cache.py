"""The cache of documents stays within its bounds."""

from manager.storage.document_cache import DocumentCache


def test_the_least_used_leave_first():
    cache = DocumentCache(10)
    for name in ("a", "b"):
        cache.keep(name, name.upper(), 4)
    cache.get("a")

    cache.keep("c", "C", 4)

    assert [cache.get(name) for name in ("a", "b", "c")] == ["A", None, "C"]


def test_what_is_too_large_is_not_kept():
    cache = DocumentCache(10)
    cache.keep("a", "A", 4)

    cache.keep("huge", "H", 11)

    assert (cache.get("a"), cache.get("huge")) == ("A", None)


def test_a_document_is_counted_once():
    cache = DocumentCache(10)
    for _ in range(5):
        cache.keep("a", "A", 4)

    cache.keep("b", "B", 4)

    assert (cache.get("a"), cache.get("b")) == ("A", "B")
