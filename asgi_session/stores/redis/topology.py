"""What a node of a Redis Cluster says of itself in ``CLUSTER NODES``."""


def slots_served(nodes: str) -> "frozenset[int] | None":
    """The slots that the answering node serves and that rest; None where it is no primary, or may have been replaced as one.

    A line reads: id, address, flags, primary, ping, pong, epoch, link, then slots: ``5``, ``0-99``; ``[7->-id]`` is being given
    away and ``[7-<-id]`` taken over.

    A primary that was cut off from the others goes on calling itself one, while they choose another in its place. They need a
    majority of the primaries for it; so a node that reaches no majority itself is not to be believed.
    """
    mine: list[str] | None = None
    primaries = unreachable = 0
    for line in nodes.splitlines():
        words = line.split(" ")
        flags = words[2].split(",")
        if "myself" in flags:
            mine = words
        if "master" in flags and len(words) > 8:  # those without slots have no say
            primaries += 1
            unreachable += "fail" in flags or "fail?" in flags
    if mine is None or 2 * (primaries - unreachable) <= primaries:
        return None
    flags = mine[2].split(",")
    if "master" not in flags or "fail" in flags:
        return None
    served: set[int] = set()
    moving: set[int] = set()
    for word in mine[8:]:
        if word.startswith("["):
            moving.add(int(word[1:].split("-", 1)[0]))
        elif word:
            first, _, last = word.partition("-")
            served.update(range(int(first), int(last or first) + 1))
    return frozenset(served - moving)
