def run() -> None:
    """Parse the command line and run it."""
