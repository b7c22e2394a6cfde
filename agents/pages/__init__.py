"""Pages of who, outside the API: signing in, an agent's own keys and record, the first administrator."""

from .base import locked_out, stale_form

__all__ = ["locked_out", "stale_form"]
