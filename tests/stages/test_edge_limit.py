"""Is this client over its quota, or over its budget of failed credentials? Before anything is spent on it."""

from typing import Any

import pytest

from asgi_session import CachePolicy, FailureBudget, JWTVerifier, RateLimit
from asgi_session.ids import looks_like_credential
from asgi_session.redis import RedisClient
from asgi_session.stages import edge_limit
from asgi_session.stores.memory import MemoryStore
from asgi_session.stores.redis import RedisStore
from tests.services.redis import RedisServer
from tests.support.asgi import exchange, http_scope
from tests.support.site import SECRET, SITE, bearer, sessions, visiting
from tests.support.stores import WatchedStore
from tests.tokens.parts import AUDIENCE, ISSUER, NOW, SigningKey, StoppedClock, valid_claims, verifier_of

KEY = SigningKey("ES256")
ELSEWHERE = ("203.0.113.9", 1)
FORGED = "0" * 45 + "A." + "A" * 43


class CountingVerifier(JWTVerifier):
    """A verifier that counts the tokens that it is asked about, and those that it has to verify."""

    def __init__(self) -> None:
        super().__init__(ISSUER, audience=AUDIENCE, jwks={"keys": [KEY.public()]}, clock=StoppedClock())
        self.asked = self.verified = 0

    async def verify(self, *question: Any) -> Any:
        self.asked += 1
        self.verified += 1
        return await super().verify(*question)

    def cached(self, *question: Any) -> Any:
        self.asked += 1
        return super().cached(*question)


@pytest.mark.security("RL-05", "RL-17")
async def test_a_quota_stands_before_store_and_cryptography() -> None:
    """A client over its quota gets 429 for a cookie, a session id and a token, and none of them is looked at."""
    store, verifier = WatchedStore(), CountingVerifier()
    app = sessions(store=store, bearer=verifier, rate_limits=[RateLimit("2/day")])
    async with visiting(app) as browser:
        await browser.get("/login?alice")
        await browser.get("/who")
        store.calls.clear()
        token = bearer(KEY.sign())
        for headers in ([], token, bearer(browser.credential), bearer(FORGED)):
            response = await browser.get("/who", headers=headers)
            assert response.status == 429
            assert int(response.get("retry-after") or 0) >= 1
            assert response.get("cache-control") == "no-store"
            assert response.get("content-type") == "application/problem+json"
            assert response.get("content-length") == str(len(response.body))
        assert not store.calls
        assert verifier.asked == 0


@pytest.mark.security("RL-17")
async def test_pages_that_do_not_exist_count_too() -> None:
    """Whoever tries paths uses up the same quota."""
    async with visiting(sessions(rate_limits=[RateLimit("2/day")])) as browser:
        statuses = [(await browser.get(path)).status for path in ("/nowhere", "/nothing", "/read")]
    assert statuses == [404, 404, 429]


@pytest.mark.security("RL-17", "JW-27")
@pytest.mark.parametrize("bad", ["cookie", "session id", "token"])
async def test_bad_credentials_use_up_a_budget(bad: str) -> None:
    """After some of them the next is refused unverified, good or bad; requests without any, and other clients, go on."""
    verifier = CountingVerifier()
    wrong = KEY.sign(valid_claims(aud="other"))
    headers = {"cookie": [("cookie", f"__Host-session={FORGED}")], "session id": bearer(FORGED), "token": bearer(wrong)}[bad]
    async with visiting(sessions(bearer=verifier, failed_credentials=FailureBudget("3/day"))) as browser:
        for _ in range(3):
            assert (await browser.get("/who", headers=headers)).status in (200, 401)
        verified = verifier.verified
        response = await browser.get("/who", headers=headers)
        assert response.status == 429
        assert response.all("ratelimit") != [""]
        assert (await browser.get("/who", headers=bearer(KEY.sign()))).status == 429
        assert verifier.verified == verified
        assert (await browser.get("/who")).status == 200
        elsewhere = http_scope(path="/who", headers=bearer(KEY.sign()), client=ELSEWHERE)
        assert (await exchange(browser.app, elsewhere)).status == 200


async def use_up_the_budget(app: Any) -> None:
    """Forge ids until the next is refused."""
    statuses = [(await exchange(app, http_scope(path="/who", headers=bearer(FORGED)))).status for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


async def test_a_token_that_has_expired_is_no_attempt() -> None:
    """An office whose tokens expire is not locked out; one whose signature is wrong pays, whatever time it names."""
    expired = valid_claims(exp=NOW - 600, iat=NOW - 900)
    app = sessions(bearer=verifier_of(KEY, clock=StoppedClock()), failed_credentials=FailureBudget("1/day"))
    async with visiting(app) as browser:
        for _ in range(3):
            assert (await browser.get("/who", headers=bearer(KEY.sign(expired)))).status == 401
        assert (await browser.get("/who", headers=bearer(KEY.sign()))).status == 200
        for status in (401, 429):
            forged = SigningKey("ES256", number=1).sign(expired)
            assert (await browser.get("/who", headers=bearer(forged))).status == status


@pytest.mark.security("RL-17")
@pytest.mark.parametrize("cache", [CachePolicy(), CachePolicy(enabled=False)])
@pytest.mark.parametrize("spelling", ["cookie", "bearer"])
async def test_a_credential_that_we_signed_does_not_pay_for_the_neighbours(cache: CachePolicy, spelling: str) -> None:
    """Behind one address, whoever is signed in stays so while somebody else uses up the address's budget, cached or not."""
    app = sessions(failed_credentials=FailureBudget("3/day"), cache=cache)
    async with visiting(app) as browser:
        await browser.get("/login?alice")
        credential = browser.credential
        await use_up_the_budget(app)
        headers = bearer(credential) if spelling == "bearer" else [("cookie", f"__Host-session={credential}")]
        response = await exchange(app, http_scope(path="/who", headers=headers))
        assert (response.status, response.json()["user"]) == (200, "alice")


@pytest.mark.security("RL-17")
async def test_a_token_that_was_verified_does_not_pay_for_the_neighbours() -> None:
    """It is known again without cryptography; one at first sight waits until the address has quota again."""
    app = sessions(failed_credentials=FailureBudget("3/day"), bearer=verifier_of(KEY))
    token = KEY.sign()
    async with visiting(app) as browser:
        assert (await browser.get("/who", headers=bearer(token))).status == 200
        await use_up_the_budget(app)
        assert (await browser.get("/who", headers=bearer(token))).status == 200
        assert (await browser.get("/who", headers=bearer(KEY.sign(valid_claims(sub="bob"))))).status == 429


@pytest.mark.security("RL-17")
async def test_a_signature_of_another_key_is_no_proof() -> None:
    """Only what this middleware signed goes on beyond the budget."""
    app = sessions(failed_credentials=FailureBudget("3/day"))
    async with visiting(app), visiting(sessions(secret_key="another " + SECRET)) as elsewhere:
        await elsewhere.get("/login")
        await use_up_the_budget(app)
        headers = [("cookie", f"__Host-session={elsewhere.credential}")]
        assert (await exchange(app, http_scope(path="/who", headers=headers))).status == 429


async def test_another_applications_cookie_is_no_attempt() -> None:
    """A cookie of our name that can't be a credential of ours is ignored, however often it comes."""
    async with visiting(sessions(failed_credentials=FailureBudget("3/day"))) as browser:
        for _ in range(10):
            assert (await browser.get("/who", cookie="__Host-session=eyJhIjogMX0=.aSB3YXM.elsewhere")).status == 200


async def test_the_budget_shows_in_no_header_until_it_is_used_up() -> None:
    """Rules are announced; how many bad tries are left is nobody's business."""
    app = sessions(rate_limits=[RateLimit("100/day", name="all")], failed_credentials=FailureBudget("3/day"))
    async with visiting(app) as browser:
        garbage = [("cookie", f"__Host-session={FORGED}")]
        for _ in range(3):
            response = await browser.get("/who", headers=garbage)
            assert "failed" not in (response.get("ratelimit") or "")
            assert '"all"' in (response.get("ratelimit") or "")


def policies(response: Any) -> list[str]:
    """The quotas that a response announces."""
    return [line.split(";")[0].strip('"') for line in (response.get("ratelimit-policy") or "").split(", ")]


@pytest.mark.parametrize("store", [MemoryStore, pytest.param("redis", marks=pytest.mark.redis)])
async def test_a_rule_refuses_without_a_word_about_the_budget(request: pytest.FixtureRequest, namespace: str, store: Any) -> None:
    """A client that has failed is told of the budget when that is what refuses it, and of nothing else before."""

    def new_store() -> Any:
        return (
            store() if store is MemoryStore else RedisStore(RedisClient(request.getfixturevalue("redis_url")), namespace=namespace)
        )

    rules = [RateLimit("4/day", name="all"), RateLimit("90/day", name="more")]
    app = sessions(store=new_store(), rate_limits=rules, failed_credentials=FailureBudget("3/day"))
    garbage = [("cookie", f"__Host-session={FORGED}")]
    async with visiting(app) as browser:
        for _ in range(2):
            assert (await browser.get("/who", headers=garbage)).status == 200
        for _ in range(2):
            assert (await browser.get("/who")).status == 200
        refused = await browser.get("/who", headers=garbage)
        assert (refused.status, refused.json()["violated-policies"], policies(refused)) == (429, ["all"], ["all", "more"])
    app = sessions(store=new_store(), rate_limits=rules[1:], failed_credentials=FailureBudget("3/day"))
    async with visiting(app) as browser:
        for _ in range(3):
            await browser.get("/who", headers=garbage)
        refused = await browser.get("/who", headers=garbage)
        assert (refused.status, refused.json()["violated-policies"]) == (429, ["failed-credentials"])
        assert "failed-credentials" in policies(refused)


async def test_a_busy_client_costs_few_trips(redis_server: RedisServer, redis_url: str, namespace: str) -> None:
    """Permits are leased: hardly any request of a client far from its limits asks Redis, and none of a client beyond them."""
    rules = [
        RateLimit("9000/day", name="all"),
        RateLimit("9000/hour", name="reads", paths=["/ignore"]),
        RateLimit("2/day", paths=["/read"]),
    ]
    app = sessions(store=RedisStore(RedisClient(redis_url), namespace=namespace), rate_limits=rules)
    async with visiting(app) as browser:
        await browser.get("/ignore")
        with redis_server.traffic() as traffic:
            remaining = [(await browser.get("/ignore")).get("ratelimit") for _ in range(300)]
        assert traffic.commands["evalsha"] <= 30
        assert [text.split(";")[1] for text in remaining if text] == [f"r={8998 - number}" for number in range(300)]
        assert [(await browser.get("/read")).status for _ in range(3)] == [200, 200, 429]
        with redis_server.traffic() as traffic:
            assert [(await browser.get("/read")).status for _ in range(20)] == [429] * 20
        assert not traffic.commands


async def test_without_a_budget_nothing_is_charged() -> None:
    """`failed_credentials=None`."""
    async with visiting(sessions(failed_credentials=None)) as browser:
        for _ in range(50):
            assert (await browser.get("/who", headers=[("cookie", f"__Host-session={FORGED}")])).status == 200


async def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more clients than it holds, those that failed longest ago are forgotten."""
    monkeypatch.setattr(edge_limit, "REMEMBERED_FAILURES", 3)
    app = sessions(failed_credentials=FailureBudget("1/day"))
    async with visiting(app):
        garbage = [("cookie", f"__Host-session={FORGED}")]

        async def status_for(number: int) -> int:
            return (await exchange(app, http_scope(path="/who", headers=garbage, client=(f"192.0.2.{number}", 1)))).status

        assert [await status_for(number) for number in (1, 2, 3, 4)] == [200] * 4
        assert await status_for(4) == 429
        assert await status_for(1) == 200


async def test_decisions_reach_handler_and_headers() -> None:
    """`scope["asgi_session"].rate_limits`, RateLimit and RateLimit-Policy."""

    def quotas(scope: dict[str, Any]) -> Any:
        return [(decision.name, decision.remaining) for decision in scope["asgi_session"].rate_limits]

    app = sessions({**SITE, "/quotas": quotas}, rate_limits=[RateLimit("5/day", name="day")])
    async with visiting(app) as browser:
        response = await browser.get("/quotas")
    assert response.json() == [["day", 4]]
    assert response.get("ratelimit-policy") == '"day";q=5;w=86400'
    assert (response.get("ratelimit") or "").startswith('"day";r=4;t=')


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("client", [("10.0.0.9", 1), None])
async def test_a_proxy_that_nobody_named_is_reported_once(caplog: pytest.LogCaptureFixture, header: str, client: Any) -> None:
    """All users of a site may be one client to it: where that refuses somebody, the log says what to do."""
    app = sessions(rate_limits=[RateLimit("1/day")])
    async with visiting(app):
        for number in range(4):
            line = f"198.51.100.{number}" if header == "x-forwarded-for" else f"for=198.51.100.{number}"
            await exchange(app, http_scope(path="/read", headers=[(header, line)], client=client))
    (record,) = [record for record in caplog.records if record.name == "asgi_session.ratelimit"]
    assert "trusted_proxies" in record.getMessage()
    assert (client[0] if client else "Unix socket") in record.getMessage()


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", None])
async def test_a_proxy_that_is_trusted_or_silent_is_no_news(caplog: pytest.LogCaptureFixture, trusted: str | None) -> None:
    """Nothing is said of a client that was found behind a trusted proxy, nor of one that came by itself."""
    app = sessions(rate_limits=[RateLimit("1/day")], trusted_proxies=[trusted] if trusted else [])
    headers = [("x-forwarded-for", "198.51.100.1")] if trusted else []
    async with visiting(app):
        statuses = [
            (await exchange(app, http_scope(path="/read", headers=headers, client=("10.0.0.9", 1)))).status for _ in range(2)
        ]
    assert statuses == [200, 429]
    assert [record for record in caplog.records if record.name == "asgi_session.ratelimit"] == []


@pytest.mark.security("RL-08")
async def test_no_client_uses_up_the_quota_of_its_proxy() -> None:
    """Who contradicts what the proxy writes is not taken for the proxy, which asks for itself too: is the application well?"""
    app = sessions(rate_limits=[RateLimit("2/day")], trusted_proxies=["10.0.0.0/8"])
    proxy = ("10.0.0.7", 1)
    async with visiting(app):
        made_up = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=1.2.3.4")]
        statuses = [(await exchange(app, http_scope(path="/read", headers=made_up, client=proxy))).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await exchange(app, http_scope(path="/read", client=proxy))).status == 200


async def test_a_client_without_an_address_has_a_quota_of_its_own() -> None:
    """Through a Unix socket: not the one of 127.0.0.1."""
    app = sessions(rate_limits=[RateLimit("1/day")])
    async with visiting(app):
        for client in (None, ("127.0.0.1", 1)):
            assert (await exchange(app, http_scope(path="/read", client=client))).status == 200
            assert (await exchange(app, http_scope(path="/read", client=client))).status == 429


def test_the_forged_id_is_well_formed() -> None:
    """It has the one spelling of an id, so that only its signature is wrong."""
    assert looks_like_credential(FORGED)
