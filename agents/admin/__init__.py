"""The administration pages of who."""

from . import agent, credentials, directory

__all__ = ["agent", "credentials", "directory"]
