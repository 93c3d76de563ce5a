"""How long sessions live."""

import pytest

from asgi_session import Lifetimes, SessionError
from asgi_session.lifetimes import DAY, LONGEST, deadline, finite


@pytest.mark.parametrize(
    ("preset", "idle", "absolute"),
    [(Lifetimes.aal1(), 30 * DAY, 30 * DAY), (Lifetimes.aal2(), 3600, DAY), (Lifetimes.aal3(), 900, DAY / 2)],
)
@pytest.mark.security("LC-03")
def test_presets_are_those_of_nist(preset: Lifetimes, idle: float, absolute: float) -> None:
    """SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3; both timeouts are always finite."""
    assert (preset.idle, preset.absolute) == (idle, absolute)
    assert preset.problems() == []


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), LONGEST + 1])
@pytest.mark.parametrize("field", ["idle", "absolute"])
@pytest.mark.security("LC-03")
def test_no_timeout_is_for_ever(field: str, value: float) -> None:
    """What is not finite, or longer than a browser keeps a cookie, is a problem that names its argument."""
    [problem] = Lifetimes(**{field: value}).problems()
    assert problem.field == f"{field}_timeout"
    assert "400 days" in problem.fix


@pytest.mark.parametrize("value", [0.0, -1.0, -LONGEST, LONGEST])
def test_zero_or_less_is_a_time(value: float) -> None:
    """It is over at once, which is somebody's wish."""
    assert Lifetimes(idle=value, absolute=value).problems() == []
    assert finite(value) == value


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), LONGEST + 1, 1e300])
@pytest.mark.security("LC-03")
def test_one_session_can_not_be_for_ever_either(value: float) -> None:
    """The lifetime of a login is refused where it is asked for."""
    with pytest.raises(SessionError, match="400 days"):
        Lifetimes().limited_to(value)


def test_a_limited_session_has_one_timeout() -> None:
    """Idle or not, it ends then."""
    limited = Lifetimes().limited_to(60)
    assert (limited.idle, limited.absolute) == (60, 60)


@pytest.mark.security("LC-03")
def test_the_absolute_timeout_is_a_ceiling() -> None:
    """AAL3 asks for a hard one; a longer lifetime is cut to it, not granted."""
    limited = Lifetimes.aal3().limited_to(399 * DAY)
    assert (limited.idle, limited.absolute) == (DAY / 2, DAY / 2)


@pytest.mark.parametrize(("idle", "absolute", "after"), [(100, 1000, 5), (1000, 100, 5), (0, 100, 0), (-5, 100, 0)])
def test_a_touch_is_due_after_a_share_of_the_shorter_timeout(idle: float, absolute: float, after: float) -> None:
    """And at once where that is nothing."""
    assert Lifetimes(idle=idle, absolute=absolute).touch_after == pytest.approx(after)


def test_the_earlier_timeout_ends_a_session() -> None:
    """Idle since the last request, or the absolute end."""
    assert deadline(100, 50, 1000) == 150
    assert deadline(100, 50, 120) == 120
