"""The one form in which emails are stored and compared at sign-in."""


def normalise_email(email: str) -> str:
    """Trimmed, lower case (contract 2.9)."""
    return email.strip().lower()
