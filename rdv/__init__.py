"""RDV, a booking and absence server that speaks the partner API of RDV-Solidarités."""

VERSION = "0.1.0"
