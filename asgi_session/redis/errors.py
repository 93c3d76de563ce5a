"""What the driver raises, in the package's words.

``StoreUnavailable``: the server did not answer, or answered that it can't serve just now; the same command may work later.
``StoreError``: it answered, and will answer the same again: a wrong command or script, wrong credentials, missing rights.

Our texts hold an address and Redis' error code, never a command's arguments. The driver's error is chained without its traceback,
whose frames would keep other callers' commands alive.
"""

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as DriverTimeout

from asgi_session.exceptions import StoreError, StoreUnavailable
from asgi_session.redis.slots import SlotMoving

_CANT_SERVE_NOW = {
    ReadOnlyError: "is a replica now and takes no writes",
    ClusterDownError: "says that its Cluster or its master is down",  # CLUSTERDOWN, MASTERDOWN
    OutOfMemoryError: "is out of memory (maxmemory)",
    BusyLoadingError: "is still loading its data",
}
_CANT_SERVE_NOW_BY_CODE = {
    "BUSY": "is busy with a long script",
    "MISCONF": "takes no writes, because it can't save them to disk",
    "NOREPLICAS": "takes no writes, because too few replicas follow it",
    "UNBLOCKED": "became a replica meanwhile",
}
_REFUSED_RIGHTS = (AuthenticationError, AuthorizationError, NoPermissionError)


def from_reply(error: ResponseError, place: str) -> StoreError:
    """The error for a command that the server at ``place`` answered with an error."""
    if isinstance(error, TryAgainError | AskError) and not isinstance(error, MovedError):  # for the driver, MOVED is an ASK too
        return _chained(SlotMoving(f"Redis at {place} is moving the keys to another node."), error)
    code = _code(error)
    reason = next((text for kind, text in _CANT_SERVE_NOW.items() if isinstance(error, kind)), None)
    if reason := reason or _CANT_SERVE_NOW_BY_CODE.get(code):
        return _chained(StoreUnavailable(f"Redis at {place} {reason}."), error)
    if isinstance(error, _REFUSED_RIGHTS):
        return _chained(_rights_refused(place), error)
    return _chained(StoreError(f"Redis at {place} refused a command ({code})."), error)


def from_silence(error: Exception, place: str) -> StoreError:
    """The error for commands whose connection to ``place`` failed, or that got no answer in time."""
    if isinstance(error, _REFUSED_RIGHTS):
        return _chained(_rights_refused(place), error)
    if isinstance(error, BusyLoadingError):
        return _chained(StoreUnavailable(f"Redis at {place} {_CANT_SERVE_NOW[BusyLoadingError]}."), error)
    if isinstance(error, TimeoutError | DriverTimeout):
        return _chained(StoreUnavailable(f"Redis at {place} did not answer in time."), error)
    return _chained(StoreUnavailable(f"Redis at {place} can't be reached, or the connection broke."), error)


def is_silence(error: Exception) -> bool:
    """Whether nobody answered: what a circuit breaker counts."""
    return not isinstance(error, _REFUSED_RIGHTS)


def _rights_refused(place: str) -> StoreError:
    return StoreError(
        f"Redis at {place} refused the user name, the password or the command. Check the URL's credentials and the user's ACL."
    )


def _code(error: RedisError) -> str:
    if error.status_code:
        return str(error.status_code)
    first = str(error).partition(" ")[0]
    return first if first.isupper() else type(error).__name__


def _chained(error: StoreError, cause: Exception) -> StoreError:
    error.__cause__ = cause.with_traceback(None)
    return error
