from transship.errors import TransshipError


def reason_of(cause: BaseException) -> str:
    """Why something was taken back, for a person."""
    if isinstance(cause, KeyboardInterrupt):
        return "interrupted"
    return str(cause) if isinstance(cause, TransshipError) else f"a bug of transship: {type(cause).__name__}: {cause}"
