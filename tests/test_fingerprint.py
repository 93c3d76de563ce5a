"""What is kept of a client, and when another one is told from it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import FingerprintPolicy, ValidationPolicy
from asgi_session.client_description import Client
from asgi_session.fingerprint import MOST_PARTS, THE_SAME, Fingerprints
from tests.support.configuration import problems_with

KEY, OLD_KEY = b"k" * 32, b"o" * 32
CHROME = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36",
    "accept-language": "en-US,en;q=0.9",
    "accept-encoding": "gzip, deflate, br, zstd",
    "sec-ch-ua-platform": '"Linux"',
    "sec-ch-ua-mobile": "?0",
}
UPDATED = CHROME["user-agent"].replace("140", "141")


def client(address: str | None = "198.51.100.7", **headers: str | None) -> Client:
    """Chrome, but for what is said differently or (None) not at all."""
    lines = {**CHROME, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return [(name.encode(), value.encode()) for name, value in lines.items() if value is not None], address


def fingerprints(*keys: bytes, **policy: Any) -> Fingerprints:
    """With the first key new ones are made."""
    return Fingerprints(FingerprintPolicy(**policy), keys or (KEY,))


NOT_ANOTHER = {
    "the same": {},
    "an update": {"user_agent": UPDATED},
    "another language": {"accept_language": "de"},
    "an update that brings an encoding": {"user_agent": UPDATED, "accept_encoding": "gzip, deflate, br, zstd, new"},
    "a request for a video": {"accept_encoding": "identity;q=1, *;q=0"},
    "a request for a video after an update": {"user_agent": UPDATED, "accept_encoding": "identity;q=1, *;q=0"},
    "an update and another language": {"user_agent": UPDATED, "accept_language": "de"},
    "hints left out": {"sec_ch_ua_platform": None, "sec_ch_ua_mobile": None},
    "hints left out after an update": {"user_agent": UPDATED, "sec_ch_ua_platform": None, "sec_ch_ua_mobile": None},
    "one header left out": {"accept_language": None},
    "every optional header left out": {name: None for name in CHROME if name != "user-agent"},
    "another network": {"address": "203.0.113.9"},
}
ANOTHER = {
    "a script": {"user_agent": "curl/8.5.0", "accept_language": None, "accept_encoding": None, "sec_ch_ua_platform": None},
    "a script that says nothing": dict.fromkeys(CHROME),
    "another browser": {"user_agent": "Firefox/140.0", "accept_encoding": "gzip, deflate, br"},
    "another machine": {"user_agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0", "sec_ch_ua_platform": '"Windows"'},
    "another language, asked for a video": {"accept_language": "de", "accept_encoding": "identity;q=1, *;q=0"},
}


@pytest.mark.security("LC-16")
@pytest.mark.parametrize(
    ("difference", "is_another"),
    [*((difference, False) for difference in NOT_ANOTHER.values()), *((difference, True) for difference in ANOTHER.values())],
    ids=[*NOT_ANOTHER, *ANOTHER],
)
def test_who_is_another_client(difference: dict[str, Any], is_another: bool) -> None:
    """With the defaults: neither an update, nor what a browser leaves out of some requests, nor another network makes one."""
    prints = fingerprints()
    found = prints.compare(prints.of(client()), client(**{name.replace("-", "_"): value for name, value in difference.items()}))
    assert prints.is_another(found) == is_another


@pytest.mark.security("LC-16")
@given(st.sets(st.sampled_from(sorted(CHROME))))
def test_missing_headers_alone_make_no_other_client(missing: set[str]) -> None:
    """However little is tolerated, and whichever they are, as long as the user agent is there."""
    prints = fingerprints(tolerance=0)
    now = client(**{name.replace("-", "_"): None for name in missing - {"user-agent"}})
    assert not prints.is_another(prints.compare(prints.of(client()), now))
    assert not prints.is_another(prints.compare(prints.of(now), client()))


@pytest.mark.security("LC-16")
def test_the_network_counts_only_where_it_is_asked_for() -> None:
    """And then as one part; of IPv6, a client's own network."""
    asked, prints = fingerprints(network=True, tolerance=0), fingerprints(tolerance=0)
    elsewhere = client("203.0.113.9")
    assert prints.compare(prints.of(client()), elsewhere) == THE_SAME
    assert asked.compare(asked.of(client()), elsewhere).changed == ("network",)
    assert asked.compare(asked.of(client("2001:db8:1:2::3")), client("2001:db8:1:2::4")) == THE_SAME
    assert asked.compare(asked.of(client(None)), client(None)) == THE_SAME


def test_an_application_names_its_own_parts() -> None:
    """An app that sends a header of its device: no other device, and none at all, is let pass."""
    prints = fingerprints(headers="X-Device-Id", tolerance=0)
    kept = prints.of(client(x_device_id="4711"))
    assert prints.compare(kept, client(x_device_id="4711", user_agent="another")) == THE_SAME
    for device in ("4712", None):
        assert prints.is_another(prints.compare(kept, client(x_device_id=device)))


def test_it_says_which_parts_differ() -> None:
    """By their names; hints that are missing are not worth a word."""
    prints = fingerprints()
    found = prints.compare(prints.of(client()), client(user_agent="curl", accept_encoding=None, sec_ch_ua_mobile=None))
    assert (found.changed, found.missing) == (("user-agent",), ("accept-encoding",))
    found = prints.compare(prints.of(client()), client(accept_language="de", accept_encoding="gzip"))
    assert found.changed == ("accept-encoding", "accept-language")


def test_lines_of_one_header_belong_together() -> None:
    """A header in two lines is another one than its first line, and as good as one line of both."""
    prints = fingerprints()
    headers, address = client()
    twice = [*headers, (b"accept-language", b"de")]
    assert prints.compare(prints.of((twice, address)), (headers, address)).changed == ("accept-language",)
    assert prints.compare(prints.of((twice, address)), client(accept_language="en-US,en;q=0.9, de")) == THE_SAME


@pytest.mark.security("IN-06")
def test_many_lines_are_joined_in_linear_time() -> None:
    """A hundred times as many lines take a hundred times as long, not ten thousand times: a request may have any number of them."""

    def seconds(lines: int) -> float:
        headers = [(b"user-agent", b"x" * 10)] * lines
        began = time.perf_counter()
        fingerprints().of((headers, None))
        return time.perf_counter() - began

    few = min(seconds(1000) for _ in range(5))
    assert min(seconds(100_000) for _ in range(2)) < 1000 * few


@pytest.mark.security("PR-03")
def test_what_is_kept_can_not_be_read() -> None:
    """Each part is a keyed hash: the same client looks different under another key, and equal texts in two parts differ."""
    kept = fingerprints().of(client())
    assert kept.isascii()
    assert len(kept) <= 64
    assert fingerprints(OLD_KEY).of(client())[8:] != kept[8:]
    both = fingerprints(headers=["a", "b"]).of(([(b"a", b"x"), (b"b", b"x")], None))
    assert both[6:14] != both[14:22]


@pytest.mark.security("PR-03")
def test_its_key_can_be_rotated() -> None:
    """What was made with an older secret is read as long as that one is listed; afterwards there is nothing to compare."""
    kept = fingerprints(OLD_KEY).of(client())
    rotated = fingerprints(KEY, OLD_KEY)
    assert rotated.compare(kept, client()) == THE_SAME
    assert rotated.is_another(rotated.compare(kept, client(user_agent="curl", accept_language="de")))
    assert rotated.of(client()) == fingerprints(KEY).of(client())
    assert fingerprints(KEY).compare(kept, client(user_agent="curl", accept_language="de")) == THE_SAME


def test_another_list_of_parts_has_nothing_to_compare() -> None:
    """A deployment that changes it makes nobody a stranger."""
    kept = fingerprints().of(client())
    prints = fingerprints(headers=["accept-encoding", "user-agent"])
    assert prints.compare(kept, client(user_agent="curl", accept_encoding="gzip")) == THE_SAME


def test_the_order_of_the_parts_makes_no_difference() -> None:
    """Nor does how their names are spelled: whoever sorts a list has changed nothing."""
    kept = fingerprints(headers=["user-agent", "accept-encoding"]).of(client())
    prints = fingerprints(headers=["Accept-Encoding", "User-Agent"])
    assert prints.compare(kept, client(user_agent="curl")).changed == ("user-agent",)
    assert prints.compare(kept, client()) == THE_SAME


@pytest.mark.security("LC-16")
@given(st.one_of(st.text(max_size=80), st.text("AZaz09-_=", max_size=70)))
def test_what_is_malformed_is_no_missing_fingerprint(kept: str) -> None:
    """Whatever stands in the store: it is read, was made otherwise, or every part of it counts as changed."""
    prints = fingerprints()
    found = prints.compare(kept, client())
    if found.malformed:
        assert set(found.changed) == set(FingerprintPolicy().parts)
        assert prints.is_another(found)
    else:
        assert found == THE_SAME
        assert len(kept) in range(14, 80, 8)


def test_one_that_was_cut_off_is_malformed() -> None:
    """Its name says that we made it, and its parts are too few."""
    prints = fingerprints()
    assert prints.compare(prints.of(client())[:-8], client()).malformed
    assert prints.compare("", client()).malformed
    assert prints.compare(None, client()) == THE_SAME


def test_long_headers_are_compared_and_not_remembered() -> None:
    """Nobody fills the memory with what is compared once."""
    prints = fingerprints()
    long = client(user_agent="x" * 5000)
    kept = prints.of(long)
    assert prints.compare(kept, long) == THE_SAME
    assert prints.compare(kept, client()).changed == ("user-agent",)
    assert prints._compare_again.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"headers": ["user agent"]}, "headers[0]"),
        ({"headers": ["user-agent", b"accept-language"]}, "headers[1]"),
        ({"headers": ["user-agent", ["x"]]}, "headers[1]"),
        ({"headers": ["user-agent", "Cookie"]}, "headers[1]"),
        ({"headers": ["user-agent", "sec-fetch-site"]}, "headers[1]"),
        ({"headers": ["accept-language", "accept-encoding", "sec-ch-ua-mobile"]}, "headers"),
        ({"headers": ["user-agent", "network"], "network": True}, "headers[1]"),
        ({"headers": []}, "headers"),
        ({"headers": ["a", "b", "A"]}, "headers"),
        ({"headers": [f"x-{number}" for number in range(MOST_PARTS + 1)]}, "headers"),
        ({"network": "yes"}, "network"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": 5}, "tolerance"),
        ({"tolerance": True}, "tolerance"),
        ({"on_mismatch": "panic"}, "on_mismatch"),
    ],
    ids=str,
)
async def test_mistakes_are_told_at_start(policy: dict[str, Any], field: str) -> None:
    """Parts that are none, a tolerance that lets everybody in, an action that nobody knows."""
    found = await problems_with(validation=ValidationPolicy(fingerprint=FingerprintPolicy(**policy)))
    assert f"validation.fingerprint.{field}" in {problem.field for problem in found}
    assert all(problem.fix for problem in found)


async def test_a_policy_of_another_type_is_told() -> None:
    """And None is none."""
    assert not await problems_with(validation=ValidationPolicy(fingerprint=None))
    (problem,) = await problems_with(validation=ValidationPolicy(fingerprint="user-agent"))  # type: ignore[arg-type]
    assert problem.field == "validation.fingerprint"
