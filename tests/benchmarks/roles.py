"""A role for the tests of worker processes."""

import os


class Echo:
    """Answers, prints, raises, ends."""

    async def say(self, text: str) -> str:
        """Return it, after having printed something."""
        print("printed by a library")
        return text

    async def fail(self) -> None:
        """Raise."""
        raise ValueError("as asked")

    async def end(self) -> None:
        """End the process."""
        os._exit(7)
