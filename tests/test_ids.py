"""Session ids: made, signed, hashed, spread."""

import ast
import base64
import hashlib
import hmac
import json
import secrets
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from asgi_session import ids
from asgi_session.ids import (
    BUCKETS,
    CREDENTIAL_BYTES,
    CredentialSigner,
    StoreKey,
    is_bucket,
    looks_like_credential,
    new_session_id,
    parse_handle,
    random_bucket,
    store_key,
    user_bucket,
    user_tag,
)
from tests.support.examples import examples

SIGNER = CredentialSigner(["secret"])
SESSION_ID = new_session_id("3ff")
CREDENTIAL = SIGNER.sign(SESSION_ID)
WIRE = string.ascii_letters + string.digits + "-_."


@pytest.mark.security("ID-01")
def test_an_id_is_32_bytes_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret part comes from ``secrets``, all 256 bits of it, and from nowhere else."""
    monkeypatch.setattr("secrets.token_bytes", lambda count=None: bytes(range(count or 0)))
    assert base64.urlsafe_b64decode(new_session_id("000")[3:] + "=") == bytes(range(32))


@pytest.mark.security("ID-01")
def test_a_random_source_that_fails_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session is better than one with a guessable id."""

    def fail(_: int | None = None) -> bytes:
        raise OSError("no entropy")

    monkeypatch.setattr("secrets.token_bytes", fail)
    with pytest.raises(OSError, match="no entropy"):
        new_session_id("000")


@pytest.mark.security("ID-01")
def test_ids_are_made_of_nothing_else() -> None:
    """The module imports neither ``random`` nor ``uuid`` nor a clock."""
    tree = ast.parse(Path(ids.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported.isdisjoint({"random", "uuid", "time", "datetime", "os"})


@pytest.mark.security("ID-01")
def test_a_hundred_thousand_ids_differ() -> None:
    """Also in their first 12 characters, so nothing of them counts or repeats."""
    made = {new_session_id("000") for _ in range(100_000)}
    assert len(made) == len({session_id[3:15] for session_id in made}) == 100_000


@pytest.mark.security("ID-09", "IN-05")
def test_a_credential_is_bucket_secret_and_signature() -> None:
    """90 characters that every cookie and header may carry, and no JSON in them."""
    assert len(CREDENTIAL) == CREDENTIAL_BYTES == 90
    assert set(CREDENTIAL) <= set(WIRE)
    assert looks_like_credential(CREDENTIAL)
    decoded = base64.urlsafe_b64decode(CREDENTIAL[3:46] + "=")
    with pytest.raises(ValueError):
        json.loads(decoded)


def test_what_is_signed_is_accepted() -> None:
    """By the same secret, and by a signer that lists it anywhere; only the first one signs."""
    assert SIGNER.unsign(CREDENTIAL) == SESSION_ID
    rotated = CredentialSigner(["new", "secret"])
    assert rotated.unsign(CREDENTIAL) == SESSION_ID
    assert rotated.sign(SESSION_ID) == CredentialSigner(["new"]).sign(SESSION_ID) != CREDENTIAL
    assert CredentialSigner(["new"]).unsign(CREDENTIAL) is None


def test_a_signature_is_what_itsdangerous_says_it_is() -> None:
    """What we accept without it, with any of the secrets, is what it accepts."""
    ours = Signer(["old", "secret"], salt=b"asgi_session.id", key_derivation="hmac", digest_method=hashlib.sha256)
    assert ours.unsign(CREDENTIAL).decode() == SESSION_ID
    assert CredentialSigner(["old"]).unsign(ours.sign(SESSION_ID).decode()) is None
    assert CredentialSigner(["secret", "old"]).unsign(ours.sign(SESSION_ID).decode()) == SESSION_ID


@pytest.mark.security("LC-02")
def test_an_id_that_we_did_not_sign_is_nobody() -> None:
    """Bare, or signed with another secret, or with the signature of another id."""
    assert SIGNER.unsign(SESSION_ID) is None
    assert SIGNER.unsign(CredentialSigner(["other"]).sign(SESSION_ID)) is None
    other = SIGNER.sign(new_session_id("3ff"))
    assert SIGNER.unsign(SESSION_ID + other[46:]) is None


@pytest.mark.security("IN-05")
@pytest.mark.parametrize("at", range(CREDENTIAL_BYTES))
def test_each_credential_has_one_spelling(at: int) -> None:
    """No other character, at any place, is forgiven: not even where base64 ignores the last bits."""
    for character in WIRE:
        changed = CREDENTIAL[:at] + character + CREDENTIAL[at + 1 :]
        assert (SIGNER.unsign(changed) == SESSION_ID) is (changed == CREDENTIAL)


@pytest.mark.security("IN-05")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good + "\n",
        lambda good: good + "=",
        lambda good: " " + good,
        lambda good: good[:-1],
        lambda good: good.upper(),
        lambda good: good.replace(".", ":"),
        lambda good: "400" + good[3:],
        lambda good: good[:45] + "\u00e9" + good[46:],
        lambda good: "３" + good[1:],
        lambda good: "",
        lambda good: good * 1000,
    ],
)
def test_a_malformed_credential_is_refused_before_any_hash(spoil: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By its looks alone."""
    monkeypatch.setattr("hmac.digest", None)
    assert not looks_like_credential(spoil(CREDENTIAL))
    assert SIGNER.unsign(spoil(CREDENTIAL)) is None


@pytest.mark.security("IN-05", "IN-09")
@examples()
@given(st.text() | st.text(alphabet=WIRE, min_size=90, max_size=90) | st.from_regex(ids._CREDENTIAL, fullmatch=True))
def test_garbage_is_refused_quietly(text: str) -> None:
    """Whatever comes, and even where it has the right shape."""
    assert SIGNER.unsign(text) is None


@pytest.mark.security("ID-15")
def test_the_store_key_tells_nothing_of_the_id() -> None:
    """It is the bucket, which the store needs, and a SHA-256 of the whole id."""
    key = store_key(SESSION_ID)
    expected = base64.urlsafe_b64encode(hashlib.sha256(SESSION_ID.encode()).digest()).rstrip(b"=").decode()
    assert key == StoreKey("3ff", expected)
    assert SESSION_ID[3:] not in key.handle
    assert CREDENTIAL[47:] not in key.handle


@pytest.mark.security("PR-05")
def test_a_handle_leads_to_the_record_and_opens_nothing() -> None:
    """It is parsed back into the store key, and is no credential."""
    key = store_key(SESSION_ID)
    assert parse_handle(key.handle) == key
    assert SIGNER.unsign(key.handle) is None
    assert parse_handle(CREDENTIAL) is None


@examples()
@given(st.text())
def test_garbage_is_no_handle(text: str) -> None:
    """Nor is a handle with anything around it."""
    assert parse_handle(text) is None
    assert parse_handle(store_key(SESSION_ID).handle + text) in (None, store_key(SESSION_ID))
    assert parse_handle(store_key(SESSION_ID).handle + "\n") is None


def test_a_user_lives_in_one_bucket() -> None:
    """The same on every worker and whatever the secret; another one in another namespace."""
    assert user_bucket("ann", "app") == user_bucket("ann", "app")
    assert user_tag("ann", "app") == user_tag("ann", "app")
    assert user_tag("ann", "app") != user_tag("ann", "other")
    expected = hmac.digest(b"asgi_session.user\0app", b"ann", "sha256")
    assert user_bucket("ann", "app") == f"{int.from_bytes(expected[16:18], 'big') % BUCKETS:03x}"
    assert len(base64.urlsafe_b64decode(user_tag("ann", "app") + "==")) == 16


@pytest.mark.parametrize("text", ["", "0", "0000", "400", "fff", "00F", "0x0", "00g", "٠٠٠", "000\n"])
def test_what_is_no_bucket(text: str) -> None:
    """Three hexadecimal digits below the number of buckets, in lower case, and nothing else."""
    assert is_bucket("000")
    assert is_bucket("3ff")
    assert not is_bucket(text)


@pytest.mark.parametrize("make", [lambda n: user_bucket(f"user {n}", "app"), lambda _: random_bucket()])
def test_users_and_visitors_spread_over_all_buckets(make: Callable[[int], str]) -> None:
    """Evenly, so that no node of a Cluster has all the work."""
    counts = Counter(make(n) for n in range(40 * BUCKETS))
    assert set(counts) == {f"{number:03x}" for number in range(BUCKETS)}
    assert max(counts.values()) < 90


@examples()
@given(st.text())
def test_any_text_may_name_a_user(user_id: str) -> None:
    """Lone surrogates included, and no two texts share a tag by accident."""
    assert looks_like_credential(SIGNER.sign(new_session_id(user_bucket(user_id, "app"))))
    assert user_tag(user_id, "app") != user_tag(user_id + "x", "app")


def test_random_means_the_systems_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets of visitors come from ``secrets`` too."""
    monkeypatch.setattr(secrets, "randbelow", lambda below: below - 1)
    assert random_bucket() == "3ff"
