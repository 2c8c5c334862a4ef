"""Words for numbers."""


def counted(number: int, thing: str) -> str:
    """Write how many there are of something: 1 step, 2 steps, 10,000 batches."""
    ending = "es" if thing.endswith(("s", "x", "sh", "tch")) else "s"
    return f"{number:,} {thing}{ending * (number != 1)}"
