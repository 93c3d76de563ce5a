"""WWW-Authenticate as RFC 6750 §3 has it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_session.challenges import insufficient_scope, invalid_request, invalid_token, no_credentials

PARAMETER = re.compile(r'([a-z_]+)="([^"\\]*)"')
WHOLE = re.compile(rf"Bearer {PARAMETER.pattern}(, {PARAMETER.pattern})*")


@pytest.mark.security("JW-17")
def test_without_credentials_there_is_no_error() -> None:
    """RFC 6750 §3.1: a request that presented nothing gets no error code."""
    assert no_credentials() == 'Bearer realm="api"'


@pytest.mark.security("JW-17")
@given(st.text(max_size=400))
def test_whatever_is_said_fits_the_header(text: str) -> None:
    """The description holds %x20-21 / %x23-5B / %x5D-7E alone, in one line that parses back, of limited length."""
    for error, challenge in (
        ("invalid_request", invalid_request(text)),
        ("invalid_token", invalid_token(text)),
        ("insufficient_scope", insufficient_scope(text, "b")),
    ):
        assert WHOLE.fullmatch(challenge)
        known = dict(PARAMETER.findall(challenge))
        assert known["error"] == error
        assert known["realm"] == "api"
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{0,256}", known["error_description"])


@pytest.mark.security("JW-17")
def test_a_missing_scope_is_named() -> None:
    """So that the client knows what to ask for."""
    assert dict(PARAMETER.findall(insufficient_scope("orders:read", "orders:write")))["scope"] == "orders:read orders:write"
