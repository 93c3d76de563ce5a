"""Partitions: whose quota a request uses, without saying who that is."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.ratelimit.base import Permit
from asgi_session.ratelimit.partitions import Partitions, RulePermits
from asgi_session.ratelimit.rules import RateLimit
from tests.ratelimit.parts import Subject

PARTITIONS = Partitions(b"secret")
BY_ADDRESS, BY_USER, BY_SESSION = RateLimit("9/second"), RateLimit("9/second", key="user"), RateLimit("9/second", key="session")


def of(rule: RateLimit, **subject: str | None) -> str | None:
    """The partition of a rule for a request."""
    return PARTITIONS.for_rule(rule, Subject(**subject))  # type: ignore[arg-type]


def test_rules_of_one_key_share_a_partition() -> None:
    """Rules that count the same clients are counted in one step, so they share the partition."""
    assert of(BY_ADDRESS) == of(RateLimit("5/hour")) == PARTITIONS.of_address("192.0.2.1")


def test_different_clients_have_different_partitions() -> None:
    """Addresses, users and sessions are told apart, and kinds of them as well."""
    partitions = {
        of(BY_ADDRESS, client_ip="192.0.2.1"),
        of(BY_ADDRESS, client_ip="192.0.2.2"),
        of(BY_USER, user_id="192.0.2.1"),
        of(BY_SESSION, session_key="192.0.2.1"),
        of(RateLimit("9/second", key=lambda _: "192.0.2.1", name="mine")),
        of(RateLimit("9/second", key=lambda _: "192.0.2.1", name="other")),
    }
    assert len(partitions) == 6


@pytest.mark.security("RL-10")
def test_rl10_ipv6_clients_are_grouped_and_missing_addresses_stay_apart() -> None:
    """A /64 is one client; a client without an address is neither 127.0.0.1 nor exempt."""
    assert of(BY_ADDRESS, client_ip="2001:db8::1") == of(BY_ADDRESS, client_ip="2001:db8::ffff")
    assert of(BY_ADDRESS, client_ip="2001:db8::1") != of(BY_ADDRESS, client_ip="2001:db8:0:1::1")
    assert of(BY_ADDRESS, client_ip=None) is not None
    assert of(BY_ADDRESS, client_ip=None) != of(BY_ADDRESS, client_ip="127.0.0.1")


def test_long_values_are_not_kept() -> None:
    """A client that sends another long key with each request fills no memory; its partition is the same each time."""
    partitions, kept = Partitions(b"secret"), []
    rule = RateLimit("9/second", key=lambda subject: subject.user_id, name="key")
    tracemalloc.start()
    try:
        for number in range(50):
            text = f"{number}" + "x" * 60_000
            kept.append(partitions.for_rule(rule, Subject(user_id=text)))
            assert partitions.for_rule(rule, Subject(user_id=text)) == kept[-1]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(set(kept)) == 50
    assert used < 200_000


def test_rule_does_not_apply_without_its_key() -> None:
    """Anonymous requests use no user's and no session's quota, and a function may say None."""
    assert of(BY_USER) is None
    assert of(BY_SESSION) is None
    assert of(RateLimit("9/second", key=lambda _: None)) is None


def test_a_key_may_be_a_number() -> None:
    """The id of a row is as good as its text, and no other kind of object passes for either."""
    assert of(RateLimit("9/second", key=lambda _: 4711, name="a")) == of(RateLimit("9/second", key=lambda _: "4711", name="a"))
    for wrong in (True, 1.5, b"a", object()):
        with pytest.raises(TypeError, match=f"'mine' has to return a text.*not {type(wrong).__name__}"):
            of(RateLimit("9/second", key=lambda _, wrong=wrong: wrong, name="mine"))


@given(st.text(), st.text(), st.text(), st.text())
@pytest.mark.security("RL-07", "ST-06")
def test_rl07_different_pairs_never_share_a_partition(kind: str, value: str, other_kind: str, other_value: str) -> None:
    """No two pairs of texts run together into one, wherever their border lies."""
    partition = PARTITIONS.of(kind, value)
    assert (partition == PARTITIONS.of(other_kind, other_value)) is ((kind, value) == (other_kind, other_value))
    assert partition != PARTITIONS.of(kind + value[:1], value[1:]) or not value


@given(st.text(alphabet=st.characters(), max_size=3000))
@pytest.mark.security("RL-07", "RL-04")
def test_rl07_partition_is_short_and_plain(value: str) -> None:
    """Whatever the value is, lone surrogates included, its partition is 22 harmless characters."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", PARTITIONS.of("user", value))


@pytest.mark.security("RL-04")
def test_rl04_partition_depends_on_the_secret() -> None:
    """Without the secret nobody can find out which address a partition is."""
    assert PARTITIONS.of("ip", "192.0.2.1") != Partitions(b"other").of("ip", "192.0.2.1")
    assert PARTITIONS.of("ip", "192.0.2.1") == Partitions(b"secret").of("ip", "192.0.2.1")


@pytest.mark.security("RL-13")
def test_rl13_paths_do_not_split_a_quota() -> None:
    """All requests that a rule's patterns match use one quota."""
    rule = RateLimit("9/second", paths=["/users/*"])
    paths = ["/users/1", "/users/2", "/Users/1/", "/users/%31"]
    permits = [PARTITIONS.permits([rule], Subject(scope={"path": path})) for path in paths]
    assert all(permit == permits[0] for permit in permits)


def test_permits_of_a_request() -> None:
    """A request asks for what the rules that apply to it say, in their order and at their cost."""
    rules = [
        RateLimit("9/second", cost=3, name="dear"),
        RateLimit("9/second", methods=["POST"], name="posts"),
        RateLimit("9/second", key="user", name="users"),
        RateLimit("9/second", key="session", name="sessions", cost=lambda _: 2),
    ]
    subject = Subject(session_key="s")
    assert list(PARTITIONS.permits(rules, subject)) == [
        Permit(rules[0].policy, PARTITIONS.of_address("192.0.2.1"), 3),
        Permit(rules[3].policy, PARTITIONS.of("session", "s"), 2),
    ]


KNOWN: list[dict[str, str | None]] = [
    {},
    {"client_ip": None},
    {"user_id": "ann", "session_key": "s"},
    {"user_id": "bob"},
    {"client_ip": "198.51.100.7", "session_key": "t"},
]
SCOPES = [{"method": method, "path": path} for method in ("GET", "POST") for path in ("/", "/api/x", "/API//x")]
RULES = {
    "plain": [BY_ADDRESS, BY_USER, BY_SESSION],
    "one key": [RateLimit("9/second", key="user", cost=3)],
    "at the edge or later": [RateLimit("9/second", stage="identity"), BY_USER],
    "some paths and methods": [RateLimit("9/second", paths=["/api/*"]), RateLimit("8/second", key="session", methods=["POST"])],
    "a function": [BY_ADDRESS, RateLimit("9/second", key=lambda subject: subject.scope["path"], name="mine")],
    "a function's cost": [RateLimit("9/second", cost=lambda subject: len(subject.scope["path"]))],
    "none": [],
}


@pytest.mark.parametrize("kind", RULES)
def test_what_is_put_together_once_is_what_each_request_asks_for(kind: str) -> None:
    """Whoever comes, in whatever order, and however often."""
    rules = RulePermits(PARTITIONS, RULES[kind])
    subjects = [Subject(scope=scope, **known) for scope in SCOPES for known in KNOWN]  # type: ignore[arg-type]
    for subject in subjects * 2:
        permits = rules.of(subject)
        assert permits == PARTITIONS.permits(RULES[kind], subject)
        assert permits.groups == PARTITIONS.permits(RULES[kind], subject).groups


def test_it_is_put_together_once() -> None:
    """Not for each request: that would cost more than the counting."""
    rules = RulePermits(PARTITIONS, RULES["some paths and methods"])
    assert rules.of(Subject(scope=SCOPES[1])) is rules.of(Subject(scope=SCOPES[2]))
