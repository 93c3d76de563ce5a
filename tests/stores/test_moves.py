"""Where sessions went whose ids were regenerated."""

from asgi_session.ids import StoreKey
from asgi_session.stores.moves import MAX_MOVES, MOVED_FOR, Moves
from tests.support.clock import StoppedClock

A, B, C = (StoreKey("123", name) for name in "abc")


def test_several_moves_are_followed_to_their_end() -> None:
    """Whoever holds an old id finds the newest."""
    moves = Moves(StoppedClock())
    moves.note(A, B)
    moves.note(B, C)
    assert [moves.follow(key) for key in (A, B, C)] == [C, C, C]


def test_a_move_is_forgotten_after_a_minute() -> None:
    """No request takes longer; then the old key is nobody's."""
    clock = StoppedClock()
    moves = Moves(clock)
    moves.note(A, B)
    clock.advance(MOVED_FOR)
    assert moves.follow(A) == A


def test_many_moves_take_bounded_memory() -> None:
    """The oldest are forgotten."""
    moves = Moves(StoppedClock())
    for number in range(MAX_MOVES + 1):
        moves.note(StoreKey("123", f"old {number}"), StoreKey("123", f"new {number}"))
    assert [moves.follow(StoreKey("123", f"old {number}")).digest for number in (0, 1)] == ["old 0", "new 1"]


def test_a_circle_is_left() -> None:
    """It can't come about; whoever follows it must not do so for ever."""
    moves = Moves(StoppedClock())
    moves.note(A, B)
    moves.note(B, A)
    assert moves.follow(A) in (A, B)
