"""Tokens whose signature is nearly right: the kinds of cases that Wycheproof has for JWS, made here.

Each kind has a counterpart that is made the same way and passes, so that the way of making it is no reason to be refused.
"""

import json
from collections.abc import Callable
from itertools import product

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey

from tests.tokens.parts import SigningKey, outcome, segment

Signer = Callable[[bytes], bytes]

ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
    "Ed25519": (1 << 252) + 27742317777372353535851937790883648493,
    "Ed448": (1 << 446) - 13818066809895115352007386748515426880336692474882178609894547503885,
}
"""How many points the group has that a curve's signatures are made in (FIPS 186-5, RFC 8032)."""
SIZES = {"ES256": 32, "ES384": 48, "ES512": 66, "Ed25519": 32, "Ed448": 57}
"""Bytes of each half of a signature."""


def signed_by(key: SigningKey, sign: Signer) -> str:
    """A token that is good but for its signature, which is what ``sign`` makes of the signing input."""
    signing_input = key.sign().rpartition(".")[0]
    return f"{signing_input}.{segment(sign(signing_input.encode()))}"


# -- ECDSA ----------------------------------------------------------------------------------------------------------


def halves(key: SigningKey, data: bytes) -> tuple[int, int]:
    """The two numbers of a right signature."""
    whole, size = key.signature(data), SIZES[key.algorithm]
    return int.from_bytes(whole[:size]), int.from_bytes(whole[size:])


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
async def test_numbers_at_the_edge_of_the_group_sign_nothing(algorithm: str) -> None:
    """Zero, one, and the order of the group with its neighbours: some make careless arithmetic say yes to anything."""
    key, size, order = SigningKey(algorithm), SIZES[algorithm], ORDERS[algorithm]

    for r, s in product((0, 1, order - 1, order, order + 1), repeat=2):
        forged = r.to_bytes(size) + s.to_bytes(size)
        assert await outcome(key, signed_by(key, lambda _, forged=forged: forged)) == "signature", (r, s)


@pytest.mark.security("JW-03")
async def test_numbers_beyond_the_group_are_not_reduced() -> None:
    """Each right number with the order added to it, which fits into the bytes of P-521 alone."""
    key, order = SigningKey("ES512"), ORDERS["ES512"]

    def shifted(r_more: int, s_more: int) -> Signer:
        return lambda data: b"".join((n + more).to_bytes(66) for n, more in zip(halves(key, data), (r_more, s_more), strict=True))

    assert await outcome(key, signed_by(key, shifted(0, 0))) == "accepted"
    for more in ((order, 0), (0, order), (order, order)):
        assert await outcome(key, signed_by(key, shifted(*more))) == "signature"


ECDSA_SHAPES: dict[str, Callable[[int, int], bytes]] = {
    "DER": encode_dss_signature,
    "the halves exchanged": lambda r, s: s.to_bytes(32) + r.to_bytes(32),
    "one half": lambda r, s: r.to_bytes(32),
    "one half twice": lambda r, s: r.to_bytes(32) * 2,
    "twice": lambda r, s: (r.to_bytes(32) + s.to_bytes(32)) * 2,
    "zeros before each half": lambda r, s: r.to_bytes(33) + s.to_bytes(33),
    "zeros before": lambda r, s: bytes(2) + r.to_bytes(32) + s.to_bytes(32),
    "zeros after": lambda r, s: r.to_bytes(32) + s.to_bytes(32) + bytes(2),
    "little end first": lambda r, s: r.to_bytes(32, "little") + s.to_bytes(32, "little"),
    "hexadecimal": lambda r, s: (r.to_bytes(32) + s.to_bytes(32)).hex().encode(),
    "a byte short": lambda r, s: (r.to_bytes(32) + s.to_bytes(32))[:-1],
}


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("shape", ECDSA_SHAPES.values(), ids=ECDSA_SHAPES)
async def test_right_numbers_have_one_shape(shape: Callable[[int, int], bytes]) -> None:
    """JWA writes both with all their bytes, one after the other; in any other form they are no signature."""
    key = SigningKey("ES256")
    assert await outcome(key, signed_by(key, lambda data: shape(*halves(key, data)))) == "signature"


# -- EdDSA ----------------------------------------------------------------------------------------------------------


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
async def test_a_signature_has_no_second_form(algorithm: str) -> None:
    """Not with the order of the group added to its scalar, its halves exchanged, or the neutral point in place of its own."""
    key, size, order = SigningKey(algorithm), SIZES[algorithm], ORDERS[algorithm]

    def shifted(multiple: int) -> Signer:
        def sign(data: bytes) -> bytes:
            whole = key.signature(data)
            return whole[:size] + (int.from_bytes(whole[size:], "little") + multiple * order).to_bytes(size, "little")

        return sign

    neutral = (1).to_bytes(size, "little")
    assert await outcome(key, signed_by(key, shifted(0))) == "accepted"
    assert await outcome(key, signed_by(key, shifted(1))) == "signature"
    assert await outcome(key, signed_by(key, lambda data: key.signature(data)[size:] + key.signature(data)[:size])) == "signature"
    assert await outcome(key, signed_by(key, lambda _: neutral + bytes(size))) == "signature"
    assert await outcome(key, signed_by(key, lambda data: neutral + key.signature(data)[size:])) == "signature"


# -- RSA ------------------------------------------------------------------------------------------------------------

RSA = SigningKey("RS256")
MODULUS_BYTES = 256
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""What RFC 8017 §9.2 puts before a SHA-256."""


def raw_rsa(block: bytes) -> bytes:
    """The private operation on a block of our own making."""
    numbers = RSA.private.private_key.private_numbers()
    return pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(MODULUS_BYTES)


def sha(data: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """A digest, of SHA-256 where nothing else is said."""
    digest = hashes.Hash(algorithm or hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def padded(info: bytes) -> bytes:
    """The block of PKCS #1 v1.5, as long as the modulus."""
    return b"\x00\x01" + b"\xff" * (MODULUS_BYTES - 3 - len(info)) + b"\x00" + info


PKCS1: dict[str, Callable[[bytes], bytes]] = {
    "no parameters of the hash": lambda h: padded(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + h),
    "garbage in the parameters": lambda h: padded(bytes.fromhex("3033300f060960864801650304020105020000") + b"\x04\x20" + h),
    "garbage after the digest": lambda h: padded(DIGEST_INFO + h + b"\x00\x00"),
    "garbage after short padding": lambda h: b"\x00\x01" + b"\xff" * 8 + b"\x00" + DIGEST_INFO + h + bytes(194),
    "garbage inside the padding": lambda h: padded(DIGEST_INFO + h).replace(b"\xff\xff\xff\x00", b"\xff\x01\xff\x00"),
    "padding for encryption": lambda h: b"\x00\x02" + padded(DIGEST_INFO + h)[2:],
    "padding of zeros": lambda h: b"\x00\x00" + bytes(203) + DIGEST_INFO + h,
    "length in the long form": lambda h: padded(b"\x30\x81\x31" + DIGEST_INFO[2:] + h),
    "length without end": lambda h: padded(b"\x30\x80" + DIGEST_INFO[2:] + h + b"\x00\x00"),
    "length too long": lambda h: padded(b"\x30\x32" + DIGEST_INFO[2:] + h),
    "name of another hash": lambda h: padded(DIGEST_INFO.replace(b"\x04\x02\x01\x05", b"\x04\x02\x02\x05") + h),
    "digest alone": padded,
    "nothing": lambda _: padded(b""),
}


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("block", PKCS1.values(), ids=PKCS1)
async def test_a_block_of_pkcs1_is_compared_whole(block: Callable[[bytes], bytes]) -> None:
    """Who reads its structure instead can be told anything between its parts (Bleichenbacher 2006, and since)."""
    assert await outcome(RSA, signed_by(RSA, lambda data: raw_rsa(padded(DIGEST_INFO + sha(data))))) == "accepted"
    assert len(block(bytes(32))) == MODULUS_BYTES
    assert await outcome(RSA, signed_by(RSA, lambda data: raw_rsa(block(sha(data))))) == "signature"


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
async def test_numbers_at_the_edge_of_the_modulus_sign_nothing(algorithm: str) -> None:
    """Zero, one, the modulus and its neighbours; a right number with the modulus added, zeros before or after it, or cut off."""
    key = SigningKey(algorithm)
    modulus = key.private.public_key.public_numbers().n

    for number in (0, 1, modulus - 1, modulus):
        assert await outcome(key, signed_by(key, lambda _, number=number: number.to_bytes(MODULUS_BYTES))) == "signature"
    for bend in (
        lambda right: (int.from_bytes(right) + modulus).to_bytes(MODULUS_BYTES + 1),
        lambda right: b"\x00" + right,
        lambda right: right + b"\x00",
        lambda right: right[:-1],
        lambda right: right * 2,
    ):
        assert await outcome(key, signed_by(key, lambda data, bend=bend: bend(key.signature(data)))) == "signature"


def pss(salt: int, mask: hashes.HashAlgorithm, digest: hashes.HashAlgorithm) -> Signer:
    """A signer with parameters of its own."""
    private = SigningKey("PS256").private.private_key
    return lambda data: private.sign(data, padding.PSS(padding.MGF1(mask), salt), digest)


@pytest.mark.security("JW-03")
@pytest.mark.parametrize(
    "sign",
    [
        *(pss(salt, hashes.SHA256(), hashes.SHA256()) for salt in (0, 20, 31, 33, 222)),
        pss(32, hashes.SHA1(), hashes.SHA256()),
        pss(32, hashes.SHA256(), hashes.SHA384()),
        pss(32, hashes.SHA384(), hashes.SHA256()),
    ],
)
async def test_pss_has_the_parameters_of_its_name(sign: Signer) -> None:
    """Both hashes are SHA-256 and the salt is as long (RFC 7518 §3.5): other parameters are another algorithm."""
    key = SigningKey("PS256")
    assert await outcome(key, signed_by(key, pss(32, hashes.SHA256(), hashes.SHA256()))) == "accepted"
    assert await outcome(key, signed_by(key, sign)) == "signature"


# -- the wrong algorithm --------------------------------------------------------------------------------------------


@pytest.mark.security("JW-03")
@pytest.mark.parametrize("form", ["point", "compressed point", "coordinate", "pem", "der", "ssh", "jwk"])
async def test_the_public_point_is_no_hmac_secret(form: str) -> None:
    """HMAC over what is published of an elliptic curve's key, in any of its encodings."""
    key = SigningKey("ES256")
    public = key.private.public_key
    secret = {
        "point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "compressed point": public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        "coordinate": public.public_numbers().x.to_bytes(32),
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "ssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": json.dumps(key.public()).encode(),
    }[form]
    forger = SigningKey("HS256", key.kid)
    forger.private = OctKey(secret, secret)
    assert await outcome(key, forger.sign()) == "algorithm"


@pytest.mark.security("JW-02")
@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize(("signature", "reason"), [("", "format"), ("AA", "algorithm"), (None, "algorithm")])
async def test_a_token_without_a_signature_is_none(name: str, signature: str | None, reason: str) -> None:
    """Empty, of a few bytes, or the one that the token had (None) before somebody wrote ``none`` into its header."""
    token = SigningKey("ES256").sign()
    header = segment(json.dumps({"alg": name, "typ": "at+jwt", "kid": "key-1"}))
    _, payload, own = token.split(".")
    assert await outcome(SigningKey("ES256"), f"{header}.{payload}.{own if signature is None else signature}") == reason
