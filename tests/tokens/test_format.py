"""The gate in front of everything dear."""

import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jws import JWSRegistry, extract_compact

from asgi_session.exceptions import TokenInvalid
from asgi_session.tokens.format import (
    MAX_HEADER_CHARS,
    MAX_SIGNATURE_CHARS,
    MAX_TOKEN_CHARS,
    decode_segment,
    read,
    read_header,
    unverified_issuer,
)
from tests.support.examples import examples
from tests.tokens.parts import ISSUER, SigningKey, segment, valid_claims

KEY = SigningKey("EdDSA")
GOOD = KEY.sign()


def reason_of(token: str) -> str:
    """Why the gate refuses a token."""
    with pytest.raises(TokenInvalid) as caught:
        read(token)
    return caught.value.reason


def test_a_good_token_is_taken_apart() -> None:
    """Header, claims, signing input and signature are what was signed."""
    token = read(GOOD)
    assert token.header == ("EdDSA", "key-1", "at+jwt")
    assert token.claims == valid_claims()
    assert token.signing_input == GOOD.rpartition(".")[0].encode()
    assert token.signature == KEY.signature(token.signing_input)


@pytest.mark.security("JW-04")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda h, p, s: f"{h}.{p}",
        lambda h, p, s: f"{h}.{p}.",
        lambda h, p, s: f".{p}.{s}",
        lambda h, p, s: f"{h}..{s}",
        lambda h, p, s: f"{h}.{p}.{s}.",
        lambda h, p, s: f"{h}.{p}.{s}.{s}",
        lambda h, p, s: "",
        lambda h, p, s: "." * 10_000,
        lambda h, p, s: f"{h}.{p}.{s}=",
        lambda h, p, s: f"{h}.{p}.{s}\n",
        lambda h, p, s: f"{h}.{p}.{s[:5]} {s[5:]}",
        lambda h, p, s: f"{h}.{p}.{s[:5]}*{s[5:]}",
        lambda h, p, s: f"{h}.{p}.{s[:-3]}+/+",
        lambda h, p, s: f"{h}.{p}.é{s}",
        lambda h, p, s: f"{h}.{p}.\udc80{s}",
        lambda h, p, s: f"{h}.{p}.\uff21{s}",
        lambda h, p, s: f"{h}.{p}A\x00.{s}",
        lambda h, p, s: f"{h}.A.{s}",
    ],
)
def test_only_three_canonical_segments_are_a_token(spoil: object) -> None:
    """Too few, too many or empty segments, padding, spaces, foreign alphabets: the format is wrong."""
    assert reason_of(spoil(*GOOD.split("."))) == "format"  # type: ignore[operator]


@pytest.mark.security("JW-04")
@pytest.mark.parametrize(("data", "spelt"), [(b"\x00", "AA"), (b"\x00\x00", "AAA"), (b"\xff", "_w"), (b"\xfb\xff\xfe", "-__-")])
def test_each_value_has_one_spelling(data: bytes, spelt: str) -> None:
    """Of all texts that a forgiving decoder takes for these bytes, one is accepted."""
    assert segment(data) == spelt
    alike = [spelt[:-1] + last for last in string.ascii_letters + string.digits + "-_+/="]
    assert [text for text in alike if decode_segment(text) == data] == [spelt]


@pytest.mark.security("JW-18")
def test_an_encrypted_token_is_told_apart() -> None:
    """Five segments are a JWE, which is never opened."""
    header = segment(json.dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31, "zip": "DEF"}))
    assert reason_of(f"{header}.AAAA.AAAA.AAAA.AAAA") == "encrypted"
    assert reason_of(f"{header}.....") == "format"


@pytest.mark.security("JW-05", "AV-11")
def test_limits_hold_to_the_character() -> None:
    """A token, its header and its signature each end where they are said to end."""
    long_header = json.dumps({"alg": "EdDSA", "kid": "k" * 250, "x5t": "x" * 90})
    long_header += " " * (MAX_HEADER_CHARS * 3 // 4 - len(long_header))
    assert len(segment(long_header)) == MAX_HEADER_CHARS
    assert read(KEY.sign_raw(long_header)).header.key_id == "k" * 250
    assert reason_of(KEY.sign_raw(long_header + " ")) == "size"

    start = GOOD.rpartition(".")[0]
    assert len(read(f"{start}.{segment(bytes(1024))}").signature) == 1024
    assert len(segment(bytes(1024))) == MAX_SIGNATURE_CHARS
    assert reason_of(f"{start}.{segment(bytes(1025))}") == "size"

    filler = json.dumps(valid_claims())
    filler += " " * ((MAX_TOKEN_CHARS - len(KEY.sign(filler))) * 3 // 4)
    while len(KEY.sign(filler + " ")) <= MAX_TOKEN_CHARS:
        filler += " "
    assert read(KEY.sign(filler)).claims["sub"] == "user-1"
    assert reason_of(KEY.sign(filler + "  ")) == "size"


@pytest.mark.security("JW-05")
def test_limits_of_the_library_are_known() -> None:
    """Where joserfc changes its limits, ours have to be thought over."""
    limits = JWSRegistry()
    assert (limits.max_header_length, limits.max_payload_length, limits.max_signature_length) == (512, 128_000, 1_024)
    assert limits.max_header_length == MAX_HEADER_CHARS
    assert limits.max_payload_length > MAX_TOKEN_CHARS


@pytest.mark.security("JW-06", "JW-07", "JW-18")
@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"jwk": KEY.public()},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"p2c": 1},
        {"cty": "JWT"},
        {"unheard": "of"},
    ],
)
def test_header_parameters_beyond_the_known_are_refused(extra: dict[str, object]) -> None:
    """Keys brought along, critical extensions and unencoded payloads are refused, not ignored."""
    assert reason_of(KEY.sign(**extra)) == "header"


@pytest.mark.security("JW-02", "JW-21")
@pytest.mark.parametrize(
    "header",
    [
        {"alg": 1},
        {"alg": None},
        {"alg": ["RS256"]},
        {"alg": {"a": 1}},
        {"alg": True},
        {"typ": "JWT"},
        {"alg": "RS256", "kid": 1},
        {"alg": "RS256", "kid": None},
        {"alg": "RS256", "kid": ["a"]},
        {"alg": "RS256", "kid": "k" * 257},
        {"alg": "RS256", "typ": 5},
        [],
        "RS256",
        None,
    ],
)
def test_header_values_are_strings(header: object) -> None:
    """A header parameter of another type, a missing alg, a kid past its length, or no object at all."""
    assert reason_of(KEY.sign_raw(json.dumps(header))) == "header"


@pytest.mark.security("JW-08")
def test_duplicate_members_of_the_header_are_refused() -> None:
    """Of two algorithms in one header neither counts."""
    assert reason_of(KEY.sign_raw('{"alg":"EdDSA","alg":"none"}')) == "header"
    assert reason_of(KEY.sign_raw('{"alg":"EdDSA","\\u0061lg":"EdDSA"}')) == "header"


@pytest.mark.security("JW-08", "JW-09")
@pytest.mark.parametrize("payload", ["[]", "text", '{"sub":1,"sub":2}', '{"exp":NaN}', b"\xff", '{"x":' + "[" * 9000])
def test_payloads_other_than_plain_objects_are_refused(payload: str | bytes) -> None:
    """The payload is read as strictly as the header."""
    assert reason_of(KEY.sign(payload)) == "payload"


def test_refused_headers_are_not_remembered() -> None:
    """The memory of headers holds accepted ones, and few."""
    read_header.cache_clear()
    for number in range(200):
        read(KEY.sign(kid=f"key-{number}"))
        assert reason_of(KEY.sign(kid=f"key-{number}", b64=True)) == "header"
    assert read_header.cache_info().currsize == 64


def test_issuer_can_be_read_before_anything_is_checked() -> None:
    """It only chooses the verifier; a token without one chooses none."""
    assert unverified_issuer(GOOD) == ISSUER
    assert unverified_issuer(KEY.sign(valid_claims(iss=[ISSUER]))) is None
    assert unverified_issuer(KEY.sign(valid_claims(iss=None))) is None
    for spoilt, reason in ((GOOD.replace(".", ".*", 1), "format"), (KEY.sign("[]"), "payload"), ("a.b", "format")):
        with pytest.raises(TokenInvalid) as caught:
            unverified_issuer(spoilt)
        assert caught.value.reason == reason


@pytest.mark.security("JW-04")
@examples(300)
@given(st.integers(0, len(GOOD) - 1), st.characters(), st.integers(0, 2))
@example(len(GOOD) - 1, "A", 0)
def test_what_passes_reads_alike_in_joserfc(position: int, character: str, width: int) -> None:
    """Two independent parsers agree on every token that passes the gate: none hides a second meaning (differential test)."""
    mutated = GOOD[:position] + character + GOOD[position + width :]
    try:
        ours = read(mutated)
    except TokenInvalid:
        return
    theirs = extract_compact(mutated.encode("ascii"))
    assert theirs.protected["alg"] == ours.header.algorithm
    assert theirs.protected.get("kid") == ours.header.key_id
    assert json.loads(theirs.payload) == json.loads(json.dumps(ours.claims))
    assert theirs.segments["header"] + b"." + theirs.segments["payload"] == ours.signing_input
    assert segment(ours.signature).encode() == theirs.segments["signature"]
