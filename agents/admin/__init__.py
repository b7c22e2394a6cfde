"""The administration pages of who."""

from . import accounts, agent, credentials, directory, record

__all__ = ["accounts", "agent", "credentials", "directory", "record"]
