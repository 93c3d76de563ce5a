"""What the client is told, read back with a parser of structured fields."""

import json

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session import RateLimit
from asgi_session.ratelimit.base import Decision, Quota
from asgi_session.ratelimit.headers import quota_headers, refusal, retry_after
from tests.support.site import sessions, visiting

BURST, DAILY = Quota("burst", 100, 60), Quota("daily", 1000, 86_400)

names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
quotas = st.builds(Quota, names, st.integers(1, 10**9), st.integers(1, 10**9))
milliseconds = st.integers(0, 10**12).map(lambda value: value / 1000)
decisions = st.builds(Decision, quotas, st.booleans(), st.integers(0, 10**9), milliseconds, st.sampled_from([None, "local"]))


def fields(decided: list[Decision]) -> dict[str, str]:
    """The headers as text; none twice."""
    headers = quota_headers(decided)
    assert len(dict(headers)) == len(headers)
    return {name.decode(): value.decode() for name, value in headers}


@pytest.mark.security("RL-02")
def test_rl02_fields_are_those_of_the_draft() -> None:
    """The names are Strings, the members are separated by commas, every number is an integer."""
    answer = fields([Decision(BURST, True, 50, 29.2), Decision(DAILY, True, 999, 86_400.0)])
    assert answer == {
        "ratelimit-policy": '"burst";q=100;w=60, "daily";q=1000;w=86400',
        "ratelimit": '"burst";r=50;t=30, "daily";r=999;t=86400',
    }


@given(st.lists(decisions, min_size=1, max_size=5))
@pytest.mark.security("RL-02", "RL-04")
def test_rl02_fields_parse_back(decided: list[Decision]) -> None:
    """Whatever is decided, both fields are Lists of Strings with integers, and name no partition."""
    answer = fields(decided)
    policies = http_sf.parse(answer["ratelimit-policy"].encode(), tltype="list")
    states = http_sf.parse(answer["ratelimit"].encode(), tltype="list")
    assert [(name, params["q"], params["w"], len(params)) for name, params in policies] == [
        (decision.name, decision.limit, decision.window, 2) for decision in decided
    ]
    for decision, (name, params) in zip(decided, states, strict=True):
        assert (name, params["r"], set(params)) == (decision.name, decision.remaining, {"r", "t"})
        assert decision.reset_after <= params["t"] < decision.reset_after + 1


@given(st.lists(decisions, min_size=1, max_size=5))
@pytest.mark.security("RL-01", "RL-03")
def test_rl03_retry_after_is_never_before_the_violated_window_ends(decided: list[Decision]) -> None:
    """Retry-After is at least 1, a whole number, and not before the ``t`` of any violated quota."""
    wait = retry_after(decided)
    states = http_sf.parse(fields(decided)["ratelimit"].encode(), tltype="list")
    violated = [params["t"] for decision, (_, params) in zip(decided, states, strict=True) if not decision.allowed]
    assert wait == max([1, *violated])


@pytest.mark.security("RL-01", "RL-05")
def test_rl05_refusal_is_a_problem_document() -> None:
    """A refusal is 429 with the draft's problem type, the violated policies and Retry-After."""
    answer = refusal([Decision(BURST, False, 0, 12.01), Decision(DAILY, True, 70, 3000.0)])
    headers = dict(answer.headers)
    assert answer.status == 429
    assert headers[b"retry-after"] == b"13"
    assert headers[b"ratelimit"] == b'"burst";r=0;t=13, "daily";r=70;t=3000'
    problem = json.loads(answer.body)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["status"] == 429
    assert problem["violated-policies"] == ["burst"]
    assert problem["title"]


@pytest.mark.security("RL-14")
def test_rl14_refusal_because_nobody_counts_is_503() -> None:
    """A rule that closes with its storage answers 503, says when to come again, and claims no numbers."""
    answer = refusal([Decision(BURST, False, 0, 1.0, "closed"), Decision(DAILY, True, 70, 3000.0, "local")])
    headers = dict(answer.headers)
    assert answer.status == 503
    assert headers[b"retry-after"] == b"1"
    assert b"ratelimit" not in headers
    assert json.loads(answer.body)["violated-policies"] == ["burst"]


def test_quota_that_is_really_used_up_is_429_also_in_an_outage() -> None:
    """Where a local count refuses as well, the client is over its quota."""
    assert refusal([Decision(BURST, False, 0, 1.0, "closed"), Decision(DAILY, False, 0, 9.0, "local")]).status == 429


def test_outage_that_lets_pass_claims_no_numbers() -> None:
    """Nothing is said about a quota that nobody counted."""
    assert quota_headers([Decision(BURST, True, 100, 0.0, "open")]) == []
    assert quota_headers([]) == []
    assert list(fields([Decision(BURST, True, 100, 0.0, "open"), Decision(DAILY, True, 70, 3.0, "local")]).values()) == [
        '"daily";q=1000;w=86400',
        '"daily";r=70;t=3',
    ]


@pytest.mark.security("RL-02")
def test_rl02_old_fields_only_by_switch() -> None:
    """The three older fields appear for the quotas that ask for them; of several, for the one that is nearest to its end."""
    daily, burst = DAILY._replace(legacy_headers=True), BURST._replace(legacy_headers=True)
    assert "ratelimit-limit" not in fields([Decision(DAILY, True, 70, 3000.0), Decision(BURST, True, 50, 29.2)])
    for quotas, told in (((daily, burst), ("100", "50", "30")), ((daily, BURST), ("1000", "70", "3000"))):
        answer = fields([Decision(quotas[0], True, 70, 3000.0), Decision(quotas[1], True, 50, 29.2)])
        assert (answer["ratelimit-limit"], answer["ratelimit-remaining"], answer["ratelimit-reset"]) == told
    refused = dict(refusal([Decision(daily, True, 70, 3000.0), Decision(burst, False, 90, 29.2)]).headers)
    assert refused[b"ratelimit-limit"] == b"100"
    assert "ratelimit-limit" not in fields([Decision(daily, True, 70, 3000.0, "open"), Decision(BURST, True, 50, 29.2)])


@pytest.mark.security("RL-02")
async def test_rl02_the_old_fields_reach_the_client() -> None:
    """With the page and with the refusal, for a rule that asks for them."""
    app = sessions(rate_limits=[RateLimit("1/day", legacy_headers=True), RateLimit("9/day")])
    async with visiting(app) as browser:
        answers = [await browser.get("/read") for _ in range(2)]
    told = [[answer.get(f"ratelimit-{field}") for field in ("limit", "remaining")] for answer in answers]
    assert [answer.status for answer in answers] == [200, 429]
    assert told == [["1", "0"], ["1", "0"]]
