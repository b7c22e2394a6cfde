"""The endpoints of who: signing in, passwords, oneself, and the directory."""
