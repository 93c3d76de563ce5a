"""The table of the environment variables, from the module that reads them."""

from asgi_session.environment import PREFIX, VARIABLES


def table() -> str:
    """All variables with the argument that each sets."""
    lines = ["| variable | sets | meaning |", "|---|---|---|"]
    for variable in VARIABLES:
        sets = f"`{variable.argument}`" if variable.argument else "the preset"
        lines.append(f"| `{PREFIX}{variable.name}` | {sets} | {variable.meaning} |")
    return "\n".join(lines)
