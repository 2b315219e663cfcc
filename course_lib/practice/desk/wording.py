"""Numbers in sentences for the reader: how many of what, how long."""


def count(number: int, noun: str) -> str:
    """ "1 point", "2 points"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def minutes(seconds: float) -> str:
    """ "2:05 min"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"
