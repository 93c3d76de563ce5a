"""What the scripts publish, read: ``<kind> <bucket> <subject> <detail>``."""

from ...cache.link import Invalidation
from ...ids import is_bucket


def news_of(message: bytes) -> Invalidation:
    """The news in a message. What we don't understand is news all the same, of the bucket that it names.

    During an upgrade, newer processes may publish what older ones have no word for.

    Raises:
        ValueError: it names no bucket, so it may be about any session.
    """
    kind, bucket, *rest = message.decode("ascii").split(" ")
    if not is_bucket(bucket):
        raise ValueError("what was published is no news of a bucket")
    match kind, rest:
        case "changed" | "ended" | "user" | "all", [subject, detail]:
            return Invalidation(kind, bucket, subject, detail)
        case _:
            return Invalidation("unknown", bucket)
