"""From where keys may be fetched (JW-25)."""

from urllib.parse import urlsplit

from ..exceptions import Problem


def url_fault(url: str, *, insecure_http: bool) -> str | None:
    """Why nothing may be fetched from ``url``; None where it may."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is not a URL."
    if parts.scheme == "http" and not insecure_http:
        return "is plain http, on which anybody can exchange the keys."
    if parts.scheme not in ("http", "https") or not host:
        return "is not an https URL."
    if parts.username is not None or parts.fragment:
        return "holds credentials or a fragment."
    return None


def url_problems(field: str, url: str, *, insecure_http: bool) -> list[Problem]:
    """The same as a list of problems of the configuration."""
    fault = url_fault(url, insecure_http=insecure_http)
    fix = "Use an https URL; for development only, KeyPolicy(insecure_http=True) allows http."
    return [] if fault is None else [Problem(field, fault, fix)]
