"""How the errors of others are told in a sentence of ours."""


def reason(error: BaseException) -> str:
    """What went wrong in one line, and never an empty one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
