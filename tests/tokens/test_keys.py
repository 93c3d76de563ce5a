"""Which published keys may verify."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens.algorithms import ASYMMETRIC
from asgi_session.tokens.keys import MAX_KEYS, import_keys
from tests.tokens.parts import SigningKey, segment, verifier_of

RSA = SigningKey("RS256", "rsa")
EC = SigningKey("ES256", "ec")


def imported(*entries: object, algorithms: tuple[str, ...] = ASYMMETRIC) -> Any:
    """What becomes of these entries."""
    return import_keys(entries, algorithms)


def number(value: int) -> str:
    """The base64url spelling of an integer."""
    return segment(value.to_bytes((value.bit_length() + 7) // 8))


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("algorithm", [*ASYMMETRIC])
def test_each_algorithm_verifies_its_own_signatures_only(algorithm: str) -> None:
    """Right signatures pass; changed, foreign and empty ones don't, and no length raises anything."""
    key = SigningKey(algorithm)
    ring = imported(key.public()).ring
    verifier = ring.find(algorithm, "key-1")
    assert verifier is not None
    signature = key.signature(b"signed")
    assert verifier.verifies(algorithm, b"signed", signature)
    assert not verifier.verifies(algorithm, b"Signed", signature)
    assert not verifier.verifies(algorithm, b"signed", SigningKey(algorithm, number=1).signature(b"signed"))
    zeros = bytes(len(signature))
    for wrong in (b"", b"\x00", zeros, zeros[1:], signature + b"\x00", signature[:-1], b"\xff" * len(signature), bytes(1024)):
        assert not verifier.verifies(algorithm, b"signed", wrong)


@pytest.mark.security("JW-03")
async def test_an_unnamed_algorithm_of_a_key_is_not_used() -> None:
    """A key published for one algorithm verifies no other, though its type would fit."""
    verifier = verifier_of(RSA)
    for algorithm in ("PS256", "RS512", "ES256", "EdDSA"):
        with pytest.raises(TokenInvalid) as caught:
            await verifier.verify(SigningKey(algorithm, "rsa").sign())
        assert caught.value.reason == "key_mismatch"


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "ssh"])
async def test_the_public_key_is_no_hmac_secret(form: str) -> None:
    """HMAC over the published key, in any of its encodings, is not a signature of the issuer."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = RSA.private.public_key
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": str(RSA.public()).encode(),
    }[form]
    forger = SigningKey("HS256", "rsa")
    forger.private = OctKey(secret, secret)
    with pytest.raises(TokenInvalid) as caught:
        await verifier_of(RSA).verify(forger.sign())
    assert caught.value.reason == "algorithm"


@pytest.mark.security("JW-03", "JW-20")
def test_a_key_without_an_algorithm_takes_all_that_fit() -> None:
    """`alg` is optional in a key set; the type then decides, within the allow-list."""
    ring = imported(RSA.public(alg=None), algorithms=("RS256", "PS256", "ES256")).ring
    assert ring.find("RS256", "rsa") is ring.find("PS256", "rsa") is not None
    for algorithm in ("ES256", "RS512"):
        with pytest.raises(TokenInvalid, match="algorithm"):
            ring.find(algorithm, "rsa")


BROKEN = {
    "unknown curve": EC.public(crv="P-999", alg=None),
    "off the curve": EC.public(x=EC.public()["y"]),
    "short coordinate": EC.public(x="AAAA"),
    "missing kty": {"kid": "x", "n": RSA.public()["n"], "e": "AQAB"},
    "unknown kty": {"kid": "x", "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "kty of another type": {"kid": "x", "kty": ["RSA"]},
    "curve of another type": EC.public(crv=["P-256"]),
    "missing modulus": {"kid": "x", "kty": "RSA", "e": "AQAB"},
    "missing coordinate": {name: value for name, value in EC.public().items() if name != "y"},
    "modulus of another type": RSA.public(n=5),
    "modulus in base64": RSA.public(n="+/" * 171),
    "even modulus": RSA.public(n=number(2**2047 + 2)),
    "endless modulus": RSA.public(n="A" * 400_000),
    "exponent of another type": RSA.public(e=65537),
    "not an object": "key",
    "null": None,
    "a list": [],
}


@pytest.mark.security("JW-19")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_one_broken_entry_costs_no_other(broken: object) -> None:
    """A whole-set import would fail, or raise, with any one of these."""
    result = imported(broken, RSA.public(), broken)
    assert len(result.ring) == 1
    assert len(result.dropped) == 2
    assert result.ring.find("RS256", "rsa") is not None


@pytest.mark.security("JW-19")
def test_all_broken_entries_together_cost_no_other() -> None:
    """Eight and more broken entries beside one good one."""
    assert len(imported(*BROKEN.values(), EC.public()).ring) == 1


UNWANTED = {
    "symmetric": {"kid": "x", "kty": "oct", "k": segment(b"k" * 32), "alg": "HS256"},
    "private RSA": {"kid": "x", **RSA.private.as_dict(private=True)},
    "private EC": {"kid": "x", **EC.private.as_dict(private=True)},
    "a private part alone": RSA.public(d="AAAA"),
    "for encryption": RSA.public(use="enc"),
    "of no use": RSA.public(use=["sig"]),
    "for signing only": RSA.public(key_ops=["sign"]),
    "operations as text": RSA.public(key_ops="verify"),
    "encryption algorithm": RSA.public(alg="RSA-OAEP"),
    "algorithm of another type": EC.public(alg="RS256"),
    "algorithm as a list": RSA.public(alg=["RS256"]),
    "not accepted": {"kid": "x", **ECKey.generate_key("secp256k1").as_dict(private=False)},
    "X25519": {"kid": "x", **OKPKey.generate_key("X25519").as_dict(private=False)},
    "RSA of 1024 bit": RSA.public(n=number(2**1023 + 1)),
    "RSA of 2047 bit": RSA.public(n=number(2**2046 + 1)),
    "RSA of 8193 bit": RSA.public(n=number(2**8192 + 1)),
    "exponent 3": RSA.public(e=number(3)),
    "exponent 65535": RSA.public(e=number(65535)),
    "even exponent": RSA.public(e=number(65538)),
    "dear exponent": RSA.public(e=number(2**2000 + 1)),
    "empty exponent": RSA.public(e=""),
    "kid of another type": RSA.public(kid=7),
    "empty kid": RSA.public(kid=""),
    "long kid": RSA.public(kid="k" * 257),
}


@pytest.mark.security("JW-20")
@pytest.mark.parametrize("unwanted", UNWANTED.values(), ids=UNWANTED)
def test_unfit_keys_are_left_out(unwanted: dict[str, object]) -> None:
    """Secret, private, short, oddly used and misnamed keys never verify anything."""
    result = imported(unwanted)
    assert (len(result.ring), len(result.dropped)) == (0, 1)
    assert "AQAB" not in result.dropped[0]


@pytest.mark.security("JW-20")
def test_members_beside_the_key_change_nothing() -> None:
    """Certificates, unknown members and operations of a good key don't spoil it."""
    entry = RSA.public(key_ops=["verify"], x5c=[5], x5u="no url", x5t=7, ext=True)
    assert imported(entry).ring.find("RS256", "rsa") is not None


@pytest.mark.security("JW-20")
def test_largest_rsa_key_is_accepted() -> None:
    """8,192 bit is the end, and is still within."""
    assert len(imported(RSA.public(n=number(2**8191 + 2**100 + 1))).ring) == 1


@pytest.mark.security("JW-20")
def test_only_a_hundred_entries_are_read() -> None:
    """A provider can't make us work without end."""
    keys = [SigningKey("RS256", f"k{index}").public() for index in range(MAX_KEYS + 20)]
    result = imported(*keys)
    assert len(result.ring) == MAX_KEYS
    assert result.dropped == ("more than 100 entries",)


@pytest.mark.security("JW-20")
def test_namesakes_are_no_keys() -> None:
    """Two different keys of one name: nobody can tell which was meant. One key listed twice is one."""
    other = SigningKey("RS256", "rsa", number=1)
    ring = imported(RSA.public(), EC.public(), other.public(), RSA.public()).ring
    assert ring.find("RS256", "rsa") is None
    assert ring.find("ES256", "ec") is not None
    assert len(imported(RSA.public(), RSA.public()).ring) == 1
    assert len(imported(RSA.public(), RSA.public(use="enc")).ring) == 1


@pytest.mark.security("JW-21")
def test_a_token_without_a_kid_needs_exactly_one_candidate() -> None:
    """With one key that fits the algorithm there is no doubt; with two there is; with none the issuer may have a newer one."""
    unnamed = SigningKey("RS256", None)
    ring = imported(RSA.public(), EC.public(), RSA.public(kid="second"), unnamed.public()).ring
    assert ring.find("ES256", None) is not None
    assert ring.find("EdDSA", None) is None
    with pytest.raises(TokenInvalid) as caught:
        ring.find("RS256", None)
    assert caught.value.reason == "key_ambiguous"
    assert imported(unnamed.public(), unnamed.public(), EC.public()).ring.find("RS256", None) is not None


@pytest.mark.security("JW-21")
@pytest.mark.parametrize("kid", ["' OR 1=1 --", "../../etc/passwd", "a\x00b", "\U0001f600", "\r\nSet-Cookie: a=b", "__class__", ""])
async def test_kid_is_a_name_and_nothing_else(kid: str) -> None:
    """Whatever a kid holds, it is looked up in a dictionary."""
    with pytest.raises(TokenInvalid) as caught:
        await verifier_of(RSA).verify(RSA.sign(kid=kid))
    assert caught.value.reason == "unknown_key"
    assert kid == "" or kid not in str(caught.value)
    if kid:
        named = SigningKey("RS256", kid)
        assert await verifier_of(named).verify(named.sign())


def test_rings_are_equal_by_what_they_verify() -> None:
    """Order and decoration of a published set are no change; a key, its name and its algorithms are."""
    ring = imported(RSA.public(), EC.public()).ring
    assert imported(EC.public(), RSA.public(x5t="x")).ring.fingerprint == ring.fingerprint
    assert imported(EC.public()).ring.fingerprint != ring.fingerprint
    assert imported(EC.public(), RSA.public(alg=None)).ring.fingerprint != ring.fingerprint
    assert imported(EC.public(), RSA.public(kid="new")).ring.fingerprint != ring.fingerprint


def test_library_would_have_taken_the_unfit_keys() -> None:
    """Why the filter is ours: joserfc imports symmetric and private keys alike."""
    assert OctKey.import_key(UNWANTED["symmetric"]).raw_value
    assert RSAKey.import_key(UNWANTED["private RSA"]).is_private
    assert JWSRegistry(algorithms=[]).get_alg("HS256").name == "HS256"
