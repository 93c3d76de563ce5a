"""What the L1 holds, for how long, and what makes it forget."""

import gc
import tracemalloc
from collections import OrderedDict
from typing import Any

import pytest

from asgi_session.cache.link import Invalidation
from asgi_session.ids import user_bucket, user_tag
from tests.cache.parts import ELSEWHERE, HERE, NAMESPACE, Shelf, a_key, a_record, changed, ended

LONG = b'"' + b"x" * 10_000 + b'"'


@pytest.fixture
def shelf() -> Shelf:
    """An empty cache under a link that is alive."""
    return Shelf()


# -- for how long -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "found"), [(0.0, True), (1.999, True), (2.0, False)])
def test_silence_is_believed_for_two_seconds(shelf: Shelf, age: float, found: bool) -> None:
    """The bound of design rule 6: from the last proof that the link is alive."""
    credential = shelf.put(a_record())
    shelf.clock.advance(age)
    assert shelf.holds(credential) is found


def test_proofs_keep_an_entry_for_its_own_age(shelf: Shelf) -> None:
    """Whatever the link says, an entry is loaded again after ``max_age``."""
    credential = shelf.put(a_record())
    for second in range(40):
        shelf.link.prove()
        assert shelf.holds(credential) is (second < 30), second
        shelf.clock.advance(1.0)


def test_an_entry_ends_with_its_session(shelf: Shelf) -> None:
    """The deadline of the record counts from when the store was asked, not from when its answer came."""
    key = a_key()
    fill = shelf.cache.begin(key)
    shelf.clock.advance(0.5)  # the answer is slow
    shelf.cache.fill(fill, "credential", a_record(key=key, idle_timeout=1.5), 1e9)
    shelf.clock.advance(0.9)
    assert shelf.holds("credential")
    shelf.clock.advance(0.1)
    assert not shelf.holds("credential")


def test_a_session_that_is_over_is_not_kept(shelf: Shelf) -> None:
    """As after an ``extend`` into the past."""
    credential = shelf.put(a_record(expires_at=1_800_000_000.0))
    assert not shelf.holds(credential)


def test_absence_is_remembered_for_a_shorter_time(shelf: Shelf) -> None:
    """Five seconds, unless told otherwise."""
    credential = shelf.put(a_key())
    for second in range(7):
        shelf.link.prove()
        assert shelf.holds(credential) is (second < 5), second
        shelf.clock.advance(1.0)


def test_absence_need_not_be_remembered() -> None:
    """``absent_age=0`` asks the store each time."""
    shelf = Shelf(absent_age=0)
    assert not shelf.holds(shelf.put(a_key()))
    assert shelf.holds(shelf.put(a_record()))


def test_a_later_proof_can_not_revive_what_may_have_missed_news(shelf: Shelf) -> None:
    """Once the connection was lost, nothing from before is believed, also where the listeners were not told."""
    credential = shelf.put(a_record())
    for lease in shelf.link.leases.values():
        lease.revoke()
    shelf.link.prove()
    assert not shelf.holds(credential)


def test_a_lost_link_empties_it(shelf: Shelf) -> None:
    """At once, so that nothing takes memory that nobody will believe."""
    for _ in range(3):
        shelf.put(a_record())
    shelf.link.lose()
    assert (len(shelf.cache), shelf.cache.bytes) == (0, 0)


def test_a_lost_node_leaves_the_sessions_of_the_others(shelf: Shelf) -> None:
    """On a Cluster trust is per bucket: where news still come, entries stay and are believed."""
    lost, kept = a_record(key=a_key("ann")), a_record(key=a_key("somebody in another bucket"))
    assert lost.key.bucket != kept.key.bucket
    credentials = [shelf.put(record) for record in (lost, kept)]
    shelf.link.lose(lost.key.bucket)
    assert len(shelf.cache) == 1
    assert [shelf.holds(credential) for credential in credentials] == [False, True]


# -- bounds -------------------------------------------------------------------------------------------------------------


def test_what_was_used_least_recently_goes_first() -> None:
    """A hit makes an entry young again."""
    shelf = Shelf(max_entries=3)
    first, second, third = (shelf.put(a_record()) for _ in range(3))
    assert shelf.holds(first)
    fourth = shelf.put(a_record())
    assert [shelf.holds(each) for each in (first, second, third, fourth)] == [True, False, True, True]
    assert (len(shelf.cache), shelf.cache.evictions) == (3, 1)


def test_bytes_are_bounded_too() -> None:
    """Large sessions push out more of the others, and what the cache says it holds is what it holds."""
    one = Shelf()
    one.put(a_record(data={"a": LONG}))
    shelf = Shelf(max_bytes=4 * one.cache.bytes)
    for _ in range(10):
        shelf.put(a_record(data={"a": LONG}))
    assert len(shelf.cache) == 4
    assert shelf.cache.bytes == 4 * one.cache.bytes


def test_what_is_too_large_pushes_nobody_out() -> None:
    """It is not kept, and neither is what was known of it before."""
    shelf = Shelf(max_bytes=50_000)
    small = shelf.put(a_record())
    growing = a_record()
    credential = shelf.put(growing)
    shelf.put(a_record(key=growing.key, data={"a": LONG, "b": LONG, "c": LONG}), credential)
    assert (shelf.holds(small), shelf.holds(credential), len(shelf.cache)) == (True, False, 1)


def test_two_credentials_of_one_session_are_one_entry(shelf: Shelf) -> None:
    """After a rotation of the secret; the news of it must not have to look for the other one."""
    record = a_record()
    shelf.put(record, "signed with the old secret")
    shelf.put(record, "signed with the new secret")
    assert (len(shelf.cache), shelf.holds("signed with the old secret")) == (1, False)
    shelf.link.tell(ended(record.key))
    assert (len(shelf.cache), shelf.cache.bytes, shelf.holds("signed with the new secret")) == (0, 0, False)


def test_a_session_is_loaded_again_in_its_place(shelf: Shelf) -> None:
    """The newer answer counts, and nothing is counted twice."""
    record = a_record()
    credential = shelf.put(record)
    before = shelf.cache.bytes
    shelf.put(a_record(key=record.key, version=2), credential, context=ELSEWHERE)
    entry = shelf.cache.get(credential, shelf.clock.steady)
    assert entry is not None
    assert entry.snapshot is not None
    assert (entry.snapshot.record.version, entry.context, len(shelf.cache)) == (2, ELSEWHERE, 1)
    assert shelf.cache.bytes < before + 100


def test_hits_and_misses_are_counted(shelf: Shelf) -> None:
    """Unknown and outlived ones are misses alike."""
    credential = shelf.put(a_record())
    shelf.holds(credential)
    shelf.holds("unknown")
    shelf.clock.advance(60.0)
    shelf.holds(credential)
    assert (shelf.cache.hits, shelf.cache.misses) == (1, 2)


# -- why an entry went -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("news", "why"),
    [
        (lambda shelf, record: shelf.link.tell(changed(record.key, "2")), "invalidated"),
        (lambda shelf, record: shelf.link.tell(ended(record.key)), "invalidated"),
        (lambda shelf, record: shelf.link.tell(Invalidation("all", record.key.bucket)), "invalidated"),
        (lambda shelf, record: shelf.link.lose(), "invalidated"),
        (lambda shelf, record: shelf.clock.advance(2.0), "invalidated"),
        (lambda shelf, record: shelf.clock.advance(30.0), "stale"),
    ],
    ids=["changed", "ended", "all", "link lost", "link silent", "too old"],
)
def test_why_an_entry_went_is_told_once(shelf: Shelf, news: Any, why: str) -> None:
    """For the verdict of the request that has to be validated in full again; the one after it is at first sight."""
    record = a_record()
    credential = shelf.put(record)
    news(shelf, record)
    assert not shelf.holds(credential)
    assert [shelf.cache.why_missed(credential) for _ in range(2)] == [why, ""]


@pytest.mark.security("ST-12")
def test_reasons_of_many_take_bounded_memory(shelf: Shelf) -> None:
    """The oldest are forgotten; an entry that only knew of an absence leaves none."""
    credentials = [shelf.put(a_record()) for _ in range(1001)]
    absent = shelf.put(a_key())
    shelf.link.lose()
    assert [shelf.cache.why_missed(each) for each in (credentials[0], credentials[1], absent)] == ["", "invalidated", ""]


@pytest.mark.parametrize(
    ("user_id", "values", "value", "provider_session"),
    [
        (None, 0, "", ""),
        ("ann", 1, "{number}", ""),
        ("u" * 300, 20, '"{number} and more text"', ""),
        ("ann", 20, '{{"items":[{number},"and more text"]}}', ""),
        ("ann", 1, '"{number} ' + 50 * "ж" + 450 * "x" + '"', ""),
        (None, 0, "", 250 * "🔑"),
    ],
    ids=["empty", "a number", "texts", "nested", "a text that takes twice its bytes", "a long name at the provider"],
)
@pytest.mark.lengthy
@pytest.mark.security("ST-12")
def test_the_estimate_is_not_less_than_the_memory(user_id: str | None, values: int, value: str, provider_session: str) -> None:
    """``max_bytes`` is a promise, also for data that an attacker shaped: it counts the measured truth, or up to twice as much."""
    shelf = Shelf(max_bytes=2**40)

    def put_one(number: int) -> None:
        """As the store would give it out: nothing is shared with the others."""
        data = {f"key {at} {number}": value.format(number=1000 * number + at).encode() for at in range(values)}
        metadata = {"network": f"198.51.{number % 256}.0/24", "user_agent": f"Firefox {number:08x}"}
        if provider_session:
            metadata["provider_session"] = f"{number}{provider_session}"
        context = (f"Mozilla/5.0 {number}".encode(), f"en-US,{number}".encode(), f"gzip,{number}".encode(), f"198.51.{number}.0/24")
        record = a_record(f"{user_id} {number}" if user_id else None, data=data, metadata=metadata, issued=2**60 + number)
        entry = shelf.cache.get(shelf.put(record, f"{number:090d}", context=context), shelf.clock.steady)
        assert entry is not None
        assert entry.snapshot is not None
        entry.snapshot.session()  # decodes what is nested, and keeps it

    put_one(0)
    gc.collect()
    tracemalloc.start()
    for number in range(1, 201):
        put_one(number)
    gc.collect()
    measured, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert measured / 200 <= shelf.cache.bytes / 201 <= 2 * measured / 200


# -- news ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "kept"), [("1", True), ("2", False), ("", False)])
def test_news_of_a_change_end_what_is_older(shelf: Shelf, version: str, kept: bool) -> None:
    """What was read after the change stays; where nobody knows what became of it, nothing does."""
    record = a_record()
    credential = shelf.put(record)
    shelf.link.tell(changed(record.key, version))
    assert shelf.holds(credential) is kept


def test_news_of_a_change_end_the_knowledge_of_absence(shelf: Shelf) -> None:
    """It can't be right."""
    key = a_key()
    credential = shelf.put(key)
    shelf.link.tell(changed(key, "1"))
    assert not shelf.holds(credential)


def test_news_of_one_session_leave_the_others(shelf: Shelf) -> None:
    """Also in the same bucket; and news of an unknown session mean nothing."""
    mine, other = a_record("ann"), a_record("ann")
    credentials = shelf.put(mine), shelf.put(other)
    shelf.link.tell(ended(a_key("ann")))
    shelf.link.tell(ended(mine.key))
    assert [shelf.holds(credential) for credential in credentials] == [False, True]


def test_news_of_a_user_end_all_of_that_user_but_one(shelf: Shelf) -> None:
    """Another user in the same bucket, and a visitor there, have nothing to do with it."""
    mine, kept, other, visitor = a_record("ann"), a_record("ann"), a_record("ann"), a_record("ann")
    bob = a_record("bob", key=other.key)
    nobody = a_record(None, key=visitor.key)
    credentials = [shelf.put(record) for record in (mine, kept, bob, nobody)]
    shelf.link.tell(Invalidation("user", mine.key.bucket, user_tag("ann", NAMESPACE), kept.key.digest))
    assert [shelf.holds(credential) for credential in credentials] == [False, True, True, True]


def test_news_of_everybody_end_a_whole_bucket(shelf: Shelf) -> None:
    """And no other one."""
    ann, visitor, elsewhere = a_record("ann"), a_record(None, key=a_key("ann")), a_record(key=a_key("somebody in another bucket"))
    assert elsewhere.key.bucket != ann.key.bucket
    credentials = [shelf.put(record) for record in (ann, visitor, elsewhere)]
    shelf.link.tell(Invalidation("all", ann.key.bucket))
    assert [shelf.holds(credential) for credential in credentials] == [False, False, True]


def test_news_that_nobody_understands_end_the_trust_in_a_bucket(shelf: Shelf) -> None:
    """A newer version's: something happened there. A fill that is under way may be older than it, too."""
    ann, elsewhere, loading = a_record("ann"), a_record(key=a_key("somebody in another bucket")), a_record("ann")
    credentials = [shelf.put(record) for record in (ann, elsewhere)]
    fill = shelf.cache.begin(loading.key)
    shelf.link.tell(Invalidation("unknown", ann.key.bucket))
    shelf.cache.fill(fill, "loading", loading, 1e9)
    assert [shelf.holds(credential) for credential in (*credentials, "loading")] == [False, True, False]


@pytest.mark.security("AV-11")
def test_news_of_many_are_looked_up_in_their_bucket(shelf: Shelf) -> None:
    """Those of everybody come as those of 1,024 buckets: a walk over all entries for each of them would hold the loop for long."""

    class NotToBeWalked(OrderedDict[str, Any]):
        def items(self) -> Any:
            raise AssertionError("every entry was looked at")

        __iter__ = values = keys = items

    ann, bob = shelf.put(a_record("ann")), shelf.put(a_record("bob"))
    entries = NotToBeWalked()
    for credential in (ann, bob):
        entries[credential] = shelf.cache._entries[credential]
    shelf.cache._entries = entries
    shelf.link.tell(Invalidation("user", user_bucket("ann", NAMESPACE), user_tag("ann", NAMESPACE)))
    assert [shelf.holds(credential) for credential in (ann, bob)] == [False, True]
    shelf.link.tell(Invalidation("all", user_bucket("bob", NAMESPACE)))
    assert not shelf.holds(bob)


# -- a fill that races news ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "news",
    [
        lambda record: ended(record.key),
        lambda record: changed(record.key, "2"),
        lambda record: changed(record.key),
        lambda record: Invalidation("user", record.key.bucket, user_tag("ann", NAMESPACE)),
        lambda record: Invalidation("all", record.key.bucket),
    ],
)
@pytest.mark.security("LC-09")
def test_a_fill_that_races_news_is_dropped(shelf: Shelf, news: object) -> None:
    """Its answer may be from before."""
    record = a_record("ann")
    fill = shelf.cache.begin(record.key)
    shelf.link.tell(news(record))  # type: ignore[operator]
    assert not fill.may_be_joined()
    shelf.cache.fill(fill, "credential", record, 1e9)
    assert not shelf.holds("credential")


def test_a_fill_survives_news_of_others(shelf: Shelf) -> None:
    """Of another session, of another bucket, and of its own user but itself."""
    record = a_record("ann")
    fill = shelf.cache.begin(record.key)
    shelf.link.tell(ended(a_key("ann")))
    shelf.link.tell(Invalidation("all", a_key("somebody in another bucket").bucket))
    shelf.link.tell(Invalidation("user", record.key.bucket, user_tag("ann", NAMESPACE), record.key.digest))
    shelf.cache.fill(fill, "credential", record, 1e9)
    assert shelf.holds("credential")


@pytest.mark.parametrize("when", ["before", "during", "only during"])
@pytest.mark.security("LC-09")
def test_a_fill_needs_the_link_from_its_begin_to_its_end(shelf: Shelf, when: str) -> None:
    """Where the link could not have told of news in between, the answer is not kept."""
    record = a_record()
    if when == "before":
        shelf.link.lease(record.key.bucket).revoke()
    fill = shelf.cache.begin(record.key)
    if when != "before":
        shelf.clock.advance(2.0)
    if when != "during":
        shelf.link.prove()
    shelf.cache.fill(fill, "credential", record, 1e9)
    # a lapse that is followed by a proof on the same connection has lost nothing: the news have only come later
    assert shelf.holds("credential") is (when == "only during")


@pytest.mark.parametrize("told", [True, False])
def test_a_fill_under_a_lost_link_is_dropped_after_it_came_back(shelf: Shelf, told: bool) -> None:
    """The new connection knows nothing of what passed between the two; whether the loss was told or not."""
    record = a_record()
    fill = shelf.cache.begin(record.key)
    if told:
        shelf.link.lose()
    else:
        shelf.link.lease(record.key.bucket).revoke()
    shelf.link.prove()
    assert not fill.may_be_joined()
    shelf.cache.fill(fill, "credential", record, 1e9)
    assert not shelf.holds("credential")


def test_a_fill_survives_the_loss_of_another_node(shelf: Shelf) -> None:
    """Its own news still come."""
    record = a_record("ann")
    fill = shelf.cache.begin(record.key)
    shelf.link.lose(a_key("somebody in another bucket").bucket)
    assert fill.may_be_joined()
    shelf.cache.fill(fill, "credential", record, 1e9)
    assert shelf.holds("credential")


def test_of_two_fills_of_one_session_the_later_one_counts(shelf: Shelf) -> None:
    """News reach the later one alone, so the earlier one can't be kept."""
    record = a_record()
    early, late = shelf.cache.begin(record.key), shelf.cache.begin(record.key)
    shelf.cache.fill(early, "credential", record, 1e9)
    assert not shelf.holds("credential")
    shelf.link.tell(ended(record.key))
    shelf.cache.fill(late, "credential", record, 1e9)
    assert not shelf.holds("credential")


def test_a_load_that_failed_leaves_nothing_behind(shelf: Shelf) -> None:
    """Neither an entry nor a fill that waits for news."""
    shelf.cache.end(shelf.cache.begin(a_key()))
    assert (len(shelf.cache), shelf.cache._fills) == (0, {})


# -- for whom ---------------------------------------------------------------------------------------------------------------


@pytest.mark.security("LC-16")
def test_nobody_rides_on_what_was_not_accepted(shelf: Shelf) -> None:
    """What was filled is good in no context; what is accepted of another load says nothing about this one."""
    record = a_record("ann", metadata={"fingerprint": "x"})
    shelf.cache.fill(shelf.cache.begin(record.key), "credential", record, 1e9)
    entry = shelf.cache.get("credential", shelf.clock.steady)
    assert entry is not None
    shelf.cache.trust("another credential", record, HERE)
    shelf.cache.trust("credential", a_record("ann", key=record.key, metadata={"fingerprint": "y"}), HERE)
    assert entry.context is None
    shelf.cache.trust("credential", record, HERE)
    assert entry.context == HERE


def test_what_is_accepted_counts_as_memory(shelf: Shelf) -> None:
    """A long user agent too, once, and no longer than it is kept; what is too large for the bound goes."""
    record = a_record()
    credential = shelf.put(record, context=None)
    before = shelf.cache.bytes
    for length in (1000, 1000, 10):
        shelf.cache.trust(credential, record, (b"x" * length,))
        assert shelf.cache.bytes == before + length
    shelf.cache.trust(credential, record, (b"x" * 2**27,))
    assert (len(shelf.cache), shelf.cache.bytes) == (0, 0)
