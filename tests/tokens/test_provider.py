"""Finding and reading what a provider publishes."""

import json
import threading
from typing import Any

import pytest

from asgi_session.tokens import provider as provider_module
from asgi_session.tokens.algorithms import ASYMMETRIC
from asgi_session.tokens.fetch import FetchFailed
from asgi_session.tokens.keys import import_keys
from asgi_session.tokens.provider import Provider
from tests.tokens.parts import ISSUER, FakeProvider, SigningKey

KEY = SigningKey("EdDSA")


def provider_of(fake: FakeProvider, *, jwks_url: str | None = None, insecure_http: bool = False) -> Provider:
    """The provider as the verifier sees it."""
    return Provider(fake.issuer, jwks_url, ASYMMETRIC, fake.fetch, insecure_http=insecure_http)


async def code_of(provider: Provider) -> str:
    """Why no keys can be had."""
    with pytest.raises(FetchFailed) as caught:
        await provider.download()
    return caught.value.code


async def test_keys_are_found_through_the_metadata_once() -> None:
    """The first download asks where the keys are; later ones know."""
    fake = FakeProvider(KEY)
    provider = provider_of(fake)
    assert (await provider.download()).find("EdDSA", "key-1") is not None
    await provider.download()
    assert fake.requests == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/certs", f"{ISSUER}/certs"]


async def test_a_slash_at_the_issuers_end_is_not_doubled() -> None:
    """OpenID Connect Discovery §4.1 removes it from the address, but not from the name."""
    fake = FakeProvider(KEY, issuer="https://id.example.org/")
    fake.issuer = "https://id.example.org"
    provider = Provider("https://id.example.org/", None, ASYMMETRIC, fake.fetch, insecure_http=False)
    assert len(await provider.download()) == 1


async def test_a_given_address_needs_no_metadata() -> None:
    """Who names the key set's URL does not depend on discovery."""
    fake = FakeProvider(KEY)
    await provider_of(fake, jwks_url=f"{ISSUER}/certs").download()
    assert fake.requests == [f"{ISSUER}/certs"]


async def test_after_a_failure_the_metadata_is_asked_again() -> None:
    """A provider may move its keys."""
    fake = FakeProvider(KEY)
    provider = provider_of(fake)
    await provider.download()
    fake.body = b"gone"
    assert await code_of(provider) == "not_json"
    fake.body = None
    fake.metadata["jwks_uri"] = "https://keys.example.org/new"
    await provider.download()
    assert fake.requests[-1] == "https://keys.example.org/new"


@pytest.mark.security("AV-11")
async def test_keys_are_imported_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred RSA keys take 30 ms, during which requests have to go on."""
    threads: list[threading.Thread] = []

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return import_keys(*arguments)

    monkeypatch.setattr(provider_module, "import_keys", noted)
    await provider_of(FakeProvider(KEY)).download()
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.security("JW-25", "OA-09")
@pytest.mark.parametrize("issuer", [None, "", "https://evil.example", ISSUER + "/", ISSUER.upper(), [ISSUER]])
async def test_metadata_has_to_name_the_configured_issuer(issuer: Any) -> None:
    """Metadata of another issuer is not looked into."""
    fake = FakeProvider(KEY)
    fake.metadata["issuer"] = issuer
    assert await code_of(provider_of(fake)) == "other_issuer"
    assert len(fake.requests) == 1


@pytest.mark.security("JW-25")
@pytest.mark.parametrize("url", [None, 5, "", "/certs", "http://id.example.org/certs", "file:///etc/passwd", "https://a:b@c/"])
async def test_keys_are_fetched_over_https_alone(url: Any) -> None:
    """Metadata can't send us to an insecure or odd address."""
    fake = FakeProvider(KEY)
    fake.metadata["jwks_uri"] = url
    assert await code_of(provider_of(fake)) == "jwks_uri"


async def test_plain_http_is_followed_where_it_was_allowed() -> None:
    """A development provider runs without TLS."""
    fake = FakeProvider(KEY, issuer="http://127.0.0.1:8080/realms/a")
    assert len(await provider_of(fake, insecure_http=True).download()) == 1


@pytest.mark.security("JW-24")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"<html><body>Login</body></html>", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "not_json"),
        (b"{}", "not_a_key_set"),
        (b'{"keys": {}}', "not_a_key_set"),
        (b'{"keys": null}', "not_a_key_set"),
        (b'{"keys": []}', "no_usable_key"),
        (b'{"keys": [{"kty": "oct", "k": "AAAA"}, 7]}', "no_usable_key"),
        (json.dumps({"keys": [KEY.public(use="enc")]}).encode(), "no_usable_key"),
    ],
)
async def test_whatever_else_is_served_is_a_failure(body: bytes, code: str) -> None:
    """HTML, broken JSON and sets without a usable key are failures of few names."""
    fake = FakeProvider(KEY)
    fake.body = body
    assert await code_of(provider_of(fake)) == code
