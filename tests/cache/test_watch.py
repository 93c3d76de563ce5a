"""Who outlives a request hears of the end of its session: by the link, or by asking where the link can't be believed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asgi_session import StoreUnavailable
from asgi_session.cache import watch as module
from asgi_session.cache.link import Invalidation, LocalLink
from asgi_session.cache.watch import SessionWatch, Watch
from asgi_session.ids import BUCKETS, StoreKey, user_tag
from asgi_session.record import EMPTY, Draft, Record
from tests.cache.parts import HeldLink, a_key, changed, ended
from tests.support.clock import StoppedClock
from tests.support.stores import WatchedStore

NAMESPACE = "asgi_session"


class Post:
    """Watches over a store, with a clock that moves when it is told to."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.store = WatchedStore()
        self.link = HeldLink(self.clock)
        self.watches = SessionWatch(self.store, self.link, NAMESPACE, self.clock.monotonic)

    async def session(self, user_id: str | None = "ann") -> Record:
        return await self.store.create(a_key(user_id), Draft(user_id, 3600.0, 3600.0, EMPTY, EMPTY))  # type: ignore[arg-type]

    async def watched(self, user_id: str | None = "ann") -> tuple[Record, Watch]:
        """A session, and a watch whose first look is over."""
        session = await self.session(user_id)
        watch = self.watches.add(session)
        await looked()
        return session, watch

    async def later(self, seconds: float, *, link: bool) -> int:
        """Let time pass in steps of a look; how often the store was asked meanwhile. ``link``: whether it is alive."""
        before = self.store.calls["load"]
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            if link:
                self.link.prove()
            await looked()
        return self.store.calls["load"] - before


async def looked() -> None:
    """Everybody has had a look."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def post(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    """The looks follow each other in each turn of the loop: what paces them is the clock of the test."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.0)
    post = Post()
    yield post
    await post.watches.stop()


async def test_nothing_is_asked_while_the_link_is_alive(post: Post) -> None:
    """But once at the begin, and once in 30 seconds: a session also ends by time."""
    _, watch = await post.watched()
    assert post.store.calls["load"] == 1
    assert await post.later(29.5, link=True) == 0
    assert await post.later(1.0, link=True) == 1
    assert not watch.ended.is_set()


@pytest.mark.security("LC-15")
async def test_what_ended_before_the_watch_began_is_noticed(post: Post) -> None:
    """The news went by while the request was being served."""
    session = await post.session()
    await post.store.destroy(session.key)
    watch = post.watches.add(session)
    await looked()
    assert watch.ended.is_set()


@pytest.mark.parametrize(
    ("news", "over"),
    [
        (lambda key: ended(key), True),
        (lambda key: ended(a_key("ann")), False),
        (lambda key: changed(key, "7"), False),
        (lambda key: Invalidation("user", key.bucket, user_tag("ann", NAMESPACE)), True),
        (lambda key: Invalidation("user", key.bucket, user_tag("ann", NAMESPACE), key.digest), False),
        (lambda key: Invalidation("user", key.bucket, user_tag("bob", NAMESPACE)), False),
        (lambda key: Invalidation("all", key.bucket), True),
        (lambda key: Invalidation("all", a_key("somebody in another bucket").bucket), False),
        (lambda key: Invalidation("unknown", key.bucket), False),
        (lambda key: Invalidation("moved", key.bucket, key.digest), False),  # type: ignore[arg-type]
    ],
)
async def test_news_end_those_that_they_are_about(post: Post, news: object, over: bool) -> None:
    """At once, without a question."""
    session = await post.session()
    watch = post.watches.add(session)
    post.link.tell(news(session.key))  # type: ignore[operator]
    assert watch.ended.is_set() is over


async def test_a_visitors_session_has_no_user(post: Post) -> None:
    """Revoking somebody's sessions does not end it."""
    session, watch = await post.watched(None)
    post.link.tell(Invalidation("user", session.key.bucket, user_tag("ann", NAMESPACE)))
    assert not watch.ended.is_set()


@pytest.mark.parametrize(
    "happens",
    [
        lambda link, key: link.tell(changed(key)),
        lambda link, key: link.tell(Invalidation("unknown", key.bucket)),
        lambda link, key: link.lose(),
        lambda link, key: link.lease(key.bucket).revoke(),
    ],
    ids=["a lost reply", "what a newer version tells", "a lost connection", "a slot that moved"],
)
async def test_where_nobody_knows_the_store_is_asked(post: Post, happens: Callable[[HeldLink, StoreKey], None]) -> None:
    """Soon, and once."""
    session, watch = await post.watched()
    happens(post.link, session.key)
    assert await post.later(5.0, link=True) == 1
    assert not watch.ended.is_set()


async def test_a_lost_node_is_nothing_to_the_sessions_of_others(post: Post) -> None:
    """On a Cluster: where the news still come, nothing has to be asked."""
    await post.watched("ann")
    elsewhere = a_key("somebody in another bucket").bucket
    await post.watched("somebody in another bucket")
    post.link.lose(elsewhere)
    assert await post.later(5.0, link=True) == 1


@pytest.mark.security("LC-09", "LC-15")
async def test_an_end_just_before_the_link_is_back_is_noticed(post: Post) -> None:
    """It came after the last question, and before anybody told of it."""
    session, watch = await post.watched()
    post.link.lose()
    await post.later(0.25, link=False)
    await post.store.destroy(session.key)
    await post.later(2.0, link=True)
    assert watch.ended.is_set()


@pytest.mark.security("LC-09", "LC-15")
async def test_while_the_link_is_cut_the_store_is_asked_every_second(post: Post) -> None:
    """Often enough to end within two seconds, and no oftener."""
    session, watch = await post.watched()
    asked = await post.later(10.0, link=False)
    assert 8 <= asked <= 10
    await post.store.destroy(session.key)
    await post.later(1.5, link=False)
    assert watch.ended.is_set()


async def test_the_sockets_of_a_session_ask_together(post: Post) -> None:
    """A user with twenty open pages is one question."""
    session, _ = await post.watched()
    others = [post.watches.add(session) for _ in range(20)]
    await post.later(0.25, link=False)
    assert post.store.calls["load"] <= 2
    await post.store.destroy(session.key)
    await post.later(5.0, link=False)
    assert all(watch.ended.is_set() for watch in others)


async def test_a_cut_link_with_many_sockets_is_no_stampede(post: Post) -> None:
    """A few sessions are asked for at a time, each once a second, so that requests get their turn."""
    most = under_way = 0
    load = post.store.load

    async def counted(*args: object, **kwargs: object) -> Record | None:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await load(*args, **kwargs)  # type: ignore[arg-type]

    post.store.load = counted  # type: ignore[method-assign]
    sessions = [await post.session(None) for _ in range(300)]
    for session in sessions:
        post.watches.add(session)
    for _ in range(40):
        await looked()
    post.link.lose()
    before = post.store.calls["load"]
    for _ in range(40):
        await looked()
    assert post.store.calls["load"] - before == 300
    assert most <= module.TOGETHER


@pytest.mark.security("AV-02")
async def test_while_nobody_can_tell_a_watch_stays(post: Post) -> None:
    """An outage ends no session; what ended during it is noticed after it."""
    session, watch = await post.watched()
    post.store.failures["load"] = StoreUnavailable("down")
    await post.later(60.0, link=False)
    assert not watch.ended.is_set()
    await post.store.destroy(session.key)
    post.store.failures.clear()
    await post.later(1.5, link=False)
    assert watch.ended.is_set()


async def test_a_store_that_fails_in_unknown_ways_ends_no_look(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    """A defect in somebody's store must not leave sockets unwatched for ever."""
    session, watch = await post.watched()
    post.store.failures["load"] = ZeroDivisionError()
    await post.later(3.0, link=False)
    post.store.failures.clear()
    await post.store.destroy(session.key)
    await post.later(1.5, link=False)
    assert watch.ended.is_set()
    assert "could not be asked for" in caplog.text


async def test_a_question_that_failed_is_asked_again_soon(post: Post) -> None:
    """Also while the link is alive: it tells what happens from now on, and the question was about what happened before."""
    session = await post.session()
    await post.store.destroy(session.key)
    post.store.failures["load"] = StoreUnavailable("down")
    watch = post.watches.add(session)
    await looked()
    post.store.failures.clear()
    await post.later(1.5, link=True)
    assert watch.ended.is_set()


async def test_what_the_store_says_is_told_to_everybody(post: Post) -> None:
    """A session that has ended without news may still be in the cache of this process, and other sockets of it open."""
    heard: list[Invalidation | None] = []
    session, _ = await post.watched()
    post.link.listen(heard.append)
    post.store.link = LocalLink()  # whose news nobody hears
    await post.store.destroy(session.key)
    await post.later(2.0, link=False)
    assert heard == [ended(session.key)]


async def test_without_a_link_the_store_is_asked_every_second(post: Post) -> None:
    """A store that tells no news has to be asked."""
    watches = SessionWatch(post.store, None, NAMESPACE, post.clock.monotonic)
    session = await post.session()
    watch = watches.add(session)
    await looked()
    assert await post.later(4.0, link=True) == 4
    await post.store.destroy(session.key)
    await post.later(1.0, link=True)
    assert watch.ended.is_set()
    await watches.stop()


async def test_an_ended_watch_is_not_asked_for(post: Post) -> None:
    """Whoever holds it is being told."""
    session, _ = await post.watched()
    post.link.tell(ended(session.key))
    assert await post.later(5.0, link=False) == 0


class Counted(dict[str, Any]):
    """Counts what is looked at."""

    def __init__(self, content: dict[str, Any], looks: Counter[str]) -> None:
        super().__init__(content)
        self.looks = looks

    def get(self, key: str, default: Any = None) -> Any:
        self.looks["found"] += 1
        return super().get(key, default)

    def values(self) -> Any:
        self.looks["walked"] += len(self)
        return super().values()

    def items(self) -> Any:
        self.looks["walked"] += len(self)
        return super().items()

    def __iter__(self) -> Any:
        self.looks["walked"] += len(self)
        return super().__iter__()


@pytest.mark.security("AV-11")
async def test_news_look_at_those_whom_they_may_be_about(post: Post) -> None:
    """However many sockets are open: a commit at none, an end at its session, the end of everybody at each of them once."""
    sessions = [await post.session(None) for _ in range(2000)]
    watches = [post.watches.add(session) for session in sessions]
    looks: Counter[str] = Counter()
    post.watches._buckets = Counted({bucket: Counted(held, looks) for bucket, held in post.watches._buckets.items()}, looks)

    for session in sessions:
        post.link.tell(changed(session.key, "7"))
    assert looks == {}
    for session in sessions[:500]:
        post.link.tell(ended(session.key))
    assert [watch.ended.is_set() for watch in watches] == 500 * [True] + 1500 * [False]
    assert looks["walked"] == 0
    for number in range(BUCKETS):
        post.link.tell(Invalidation("all", f"{number:03x}"))
    assert all(watch.ended.is_set() for watch in watches)
    assert looks["walked"] == 1500


async def test_nobody_listens_for_nothing(post: Post) -> None:
    """From the first watch to the last: a manager that is made for each job leaves nothing behind in the store that all share."""
    assert post.link._listeners == ()
    (session, first), second = await post.watched(), post.watches.add(await post.session())
    assert len(post.link._listeners) == 1
    post.watches.remove(first)
    assert len(post.link._listeners) == 1
    post.link.tell(ended(second.key))
    assert post.link._listeners == ()
    post.watches.remove(second)
    post.watches.add(session)
    assert len(post.link._listeners) == 1
    await post.watches.stop()
    assert post.link._listeners == ()


async def test_looking_ends_with_the_last_watch(post: Post) -> None:
    """No task is left for nothing, and the next watch begins again."""
    _, watch = await post.watched()
    post.watches.remove(watch)
    post.watches.remove(watch)
    await looked()
    assert post.watches._checker is not None
    assert post.watches._checker.done()
    assert len(post.watches) == 0
    await post.watched()
    assert not post.watches._checker.done()


async def test_stop_leaves_no_task(post: Post) -> None:
    """Started or not, and as often as one likes."""
    await post.watches.start()
    await post.watched()
    checker = post.watches._checker
    assert checker is not None
    await post.watches.stop()
    assert checker.done()
    await post.watches.stop()


def test_another_event_loop_looks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one on which the looks began may never go on."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.0)
    post = Post()
    left = asyncio.new_event_loop()
    session, _ = left.run_until_complete(post.watched())
    abandoned = post.watches._checker

    async def go_on() -> bool:
        await post.store.destroy(session.key)
        watch = post.watches.add(session)
        await looked()
        await post.watches.stop()
        return watch.ended.is_set()

    assert asyncio.run(go_on())
    assert abandoned is not None
    left.run_until_complete(abandoned)  # nobody is watched any more
    left.close()
