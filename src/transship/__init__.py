"""transship moves a running Docker container from one host to another over SSH, and measures what happened."""

__version__ = "0.1.0"
