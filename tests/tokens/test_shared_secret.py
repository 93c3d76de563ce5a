"""HMAC, for those who ask for it."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens import JWTVerifier
from asgi_session.tokens.shared_secret import secret_problems
from tests.tokens.parts import AUDIENCE, ISSUER, SigningKey, StoppedClock, segment

KEY = SigningKey("HS256", None)
SECRET: bytes = KEY.private.raw_value
RSA = SigningKey("RS256")


def hmac_verifier(**arguments: Any) -> JWTVerifier:
    """A verifier of tokens made with the secret."""
    defaults = {"audience": AUDIENCE, "algorithms": ("HS256",), "hmac_secret": SECRET, "clock": StoppedClock()}
    return JWTVerifier(ISSUER, **{**defaults, **arguments})


@pytest.mark.security("JW-28")
async def test_tokens_of_the_secret_are_verified_whatever_they_call_it() -> None:
    """There is one secret, so a kid chooses nothing; another secret or hash doesn't pass."""
    verifier = hmac_verifier()
    assert await verifier.verify(KEY.sign())
    assert await verifier.verify(KEY.sign(kid="any"))
    for token, reason in ((SigningKey("HS256", number=1).sign(), "signature"), (SigningKey("HS512").sign(), "algorithm")):
        with pytest.raises(TokenInvalid) as caught:
            await verifier.verify(token)
        assert caught.value.reason == reason
    assert verifier.health().keys == 1


NEARLY: dict[str, Callable[[bytes, bytes], bytes]] = {
    "half of it": lambda mac, _: mac[:16],
    "a byte of it": lambda mac, _: mac[:1],
    "a byte short": lambda mac, _: mac[:-1],
    "zeros after": lambda mac, _: mac + b"\x00",
    "twice": lambda mac, _: mac * 2,
    "zeros": lambda mac, _: bytes(len(mac)),
    "hexadecimal": lambda mac, _: mac.hex().encode(),
    "another hash, cut to its length": lambda mac, data: hmac.digest(SECRET, data, "sha512")[: len(mac)],
    "no secret": lambda _, data: hmac.digest(b"", data, "sha256"),
    "a hash": lambda _, data: hashlib.sha256(SECRET + data).digest(),
}


@pytest.mark.security("JW-28")
@pytest.mark.parametrize("spoil", NEARLY.values(), ids=NEARLY)
async def test_what_is_nearly_the_code_is_refused(spoil: Callable[[bytes, bytes], bytes]) -> None:
    """It has one length and one value; a part of it is nothing."""
    signing_input = KEY.sign().rpartition(".")[0]
    data = signing_input.encode()
    right = hmac.digest(SECRET, data, "sha256")
    assert await hmac_verifier().verify(f"{signing_input}.{segment(right)}")
    with pytest.raises(TokenInvalid) as caught:
        await hmac_verifier().verify(f"{signing_input}.{segment(spoil(right, data))}")
    assert caught.value.reason == "signature"


@pytest.mark.security("JW-01", "JW-03", "JW-28")
async def test_hmac_is_not_mixed_with_public_keys() -> None:
    """With a secret no asymmetric algorithm is accepted, and without one no HMAC."""
    with pytest.raises(TokenInvalid) as caught:
        await hmac_verifier().verify(RSA.sign())
    assert caught.value.reason == "algorithm"
    assert [problem.field for problem in hmac_verifier(algorithms=("HS256", "RS256")).problems()] == ["algorithms"]
    assert [problem.field for problem in hmac_verifier(hmac_secret=None).problems()] == ["algorithms"]
    assert [problem.field for problem in hmac_verifier(jwks={"keys": [RSA.public()]}).problems()] == ["jwks"]


@pytest.mark.security("JW-28")
@pytest.mark.parametrize(("algorithm", "shortest"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_secret_is_as_long_as_its_hash(algorithm: str, shortest: int) -> None:
    """RFC 7518 §3.2, in bytes, also for text."""
    assert secret_problems("é" * (shortest // 2), (algorithm,)) == []
    (problem,) = secret_problems(b"x" * (shortest - 1), ("HS256", algorithm))
    assert (problem.field, str(shortest - 1) in problem.message, "xxx" in str(problem)) == ("hmac_secret", True, False)


@pytest.mark.security("JW-28")
@pytest.mark.parametrize("form", ["pem", "der", "ssh", "private pem", "padded pem", "jwk"])
def test_key_material_is_no_secret(form: str) -> None:
    """A key of another kind is public, or about to be."""
    public, private = RSA.private.public_key, RSA.private.private_key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secret = {
        "pem": pem,
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "private pem": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "padded pem": b"\n\n" + pem,
        "jwk": json.dumps(RSA.public()).encode(),
    }[form]
    assert [problem.field for problem in secret_problems(secret, ("HS256",))] == ["hmac_secret"]


@pytest.mark.security("JW-28")
@pytest.mark.parametrize("secret", ["", b"", 5, ["x" * 40]])
def test_what_is_not_a_secret_is_a_problem(secret: Any) -> None:
    """Empty and mistyped secrets are said at the start."""
    assert [problem.field for problem in hmac_verifier(hmac_secret=secret).problems()] == ["hmac_secret"]


def test_the_secret_is_not_shown() -> None:
    """Neither the verifier nor its settings print it."""
    verifier = hmac_verifier()
    assert SECRET.decode() not in repr(verifier) + repr(vars(verifier))
