"""The names of the store's keys. What each holds stands at the top of ``lua/session.lua``."""

from ...ids import StoreKey


def news_ending(database: int) -> str:
    """How the channel of all news ends. Channels belong to a server, not to a database: the name tells its databases apart."""
    return f":n:{database}" if database else ":n"


class Keys:
    """Key names in one namespace. The braces are the hash tag: one bucket, one Redis Cluster slot."""

    def __init__(self, namespace: str, database: int = 0) -> None:
        self._namespace = namespace
        self._news = news_ending(database)

    def session(self, key: StoreKey) -> str:
        """Hash of one session."""
        return f"{self._namespace}:{{{key.bucket}}}:s:{key.digest}"

    def bucket(self, bucket: str) -> str:
        """Hash with the bucket's order of issue and its epochs."""
        return f"{self._namespace}:{{{bucket}}}:b"

    def index(self, bucket: str, tag: str) -> str:
        """Sorted set of one user's sessions."""
        return f"{self._namespace}:{{{bucket}}}:u:{tag}"

    def session_beside(self, index: str, digest: str) -> str:
        """Hash of a session that an index lists."""
        return f"{index.rpartition(':u:')[0]}:s:{digest}"

    def news(self, bucket: str) -> str:
        """On a Cluster: the sharded channel with the news of one bucket, in the bucket's slot."""
        return f"{self._namespace}:{{{bucket}}}:n"

    @property
    def all_news(self) -> str:
        """Elsewhere: the channel with the news of all buckets of one database."""
        return f"{self._namespace}{self._news}"

    @property
    def all_sessions(self) -> str:
        """Pattern of every session's key."""
        return f"{self._namespace}:{{*}}:s:*"

    @property
    def all_indexes(self) -> str:
        """Pattern of every user index's key."""
        return f"{self._namespace}:{{*}}:u:*"
