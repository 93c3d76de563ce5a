"""From where keys may be fetched."""

import pytest

from asgi_session.tokens.urls import url_fault, url_problems

GOOD = ["https://id.example.org", "https://id.example.org:8443/realms/demo", "https://[::1]/certs", "https://id.example.org/a?b=c"]
BAD = [
    ("http://id.example.org", "plain http"),
    ("ftp://id.example.org", "not an https URL"),
    ("file:///etc/passwd", "not an https URL"),
    ("id.example.org", "not an https URL"),
    ("https://", "not an https URL"),
    ("", "not an https URL"),
    ("https://user@id.example.org", "credentials"),
    ("https://id.example.org/#f", "fragment"),
    ("https://[::1", "not a URL"),
]


@pytest.mark.security("JW-25")
@pytest.mark.parametrize("url", GOOD)
def test_https_is_what_keys_come_from(url: str) -> None:
    """Host, port, path and query are as the issuer wants them."""
    assert url_fault(url, insecure_http=False) is None
    assert url_problems("jwks", url, insecure_http=False) == []


@pytest.mark.security("JW-25")
@pytest.mark.parametrize(("url", "fault"), BAD)
def test_nothing_else_is(url: str, fault: str) -> None:
    """Each with a word about why not, and what to do."""
    assert fault in (url_fault(url, insecure_http=False) or "")
    (problem,) = url_problems("jwks", url, insecure_http=False)
    assert problem.field == "jwks"
    assert "https" in problem.fix


@pytest.mark.security("JW-25")
def test_plain_http_by_a_conscious_switch_only() -> None:
    """For development; everything else stays refused."""
    assert url_fault("http://localhost:8080/realms/demo", insecure_http=True) is None
    assert url_fault("ftp://localhost", insecure_http=True) is not None
