"""When agents are not to be had, and never why: for whoever looks for an hour that suits all (row C7)."""
