"""The administration pages of who."""

from . import agent, credentials, directory, record

__all__ = ["agent", "credentials", "directory", "record"]
