"""What a node of a Redis Cluster says of itself in ``CLUSTER NODES``."""


def slots_served(nodes: str) -> "frozenset[int] | None":
    """The slots that the answering node serves and that rest; None where it is no primary.

    Its line reads: id, address, flags, primary, ping, pong, epoch, link, then slots: ``5``, ``0-99``; ``[7->-id]`` is being given
    away and ``[7-<-id]`` taken over.
    """
    mine = next((line for line in nodes.splitlines() if "myself" in line.split(" ", 3)[2]), None)
    if mine is None:
        return None
    words = mine.split(" ")
    flags = words[2].split(",")
    if "master" not in flags or "fail" in flags:
        return None
    served: set[int] = set()
    moving: set[int] = set()
    for word in words[8:]:
        if word.startswith("["):
            moving.add(int(word[1:].split("-", 1)[0]))
        elif word:
            first, _, last = word.partition("-")
            served.update(range(int(first), int(last or first) + 1))
    return frozenset(served - moving)
