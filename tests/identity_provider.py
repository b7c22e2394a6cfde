"""A small identity provider on the loopback: discovery, keys, tokens, and all that can be wrong with them.

    with IdentityProvider() as provider:
        provider.token(sub="…", email="…", email_verified=True)

`provider.lie(path, …)` has it answer something else there; `provider.asked` are the paths that it was asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
AUDIENCE, SUB = "rdv-test", "b8a2c1d4-sub"
_RSA = rsa.generate_private_key(65537, 2048)  # slow to make: one for all


def private_key(algorithm: str) -> Any:
    """A fresh key for that algorithm; for RSA always the same."""
    if algorithm[:2] in ("RS", "PS"):
        return _RSA
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    return ec.generate_private_key(curves[algorithm]()) if algorithm in curves else ed25519.Ed25519PrivateKey.generate()


def public_jwk(private: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    to_jwk: Any = get_default_algorithms()[algorithm]
    return to_jwk.to_jwk(private.public_key(), as_dict=True) | {"use": "sig"} | more


class IdentityProvider:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: dict[str, tuple[str, Any]] = {}
        self.kid = ""
        self.released = threading.Event()
        self._lies: dict[str, Callable[[Any], None]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                lie = provider._lies.get(self.path)
                if lie:
                    lie(self)
                else:
                    provider.answer(self, provider.document(self.path))

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.rotate()

    def __enter__(self) -> IdentityProvider:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.released.set()
        self.die()

    def die(self) -> None:
        """Nobody listens any more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def rotate(self, algorithm: str = "ES256") -> str:
        """A new key, which signs from now on, beside the former ones. Gives its name."""
        self.kid = f"key {len(self.keys)}"
        self.keys[self.kid] = algorithm, private_key(algorithm)
        return self.kid

    def document(self, path: str) -> Any:
        if path == DISCOVERY:
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}{KEYS}"}
        return {"keys": [public_jwk(key, algorithm, kid=kid) for kid, (algorithm, key) in self.keys.items()]}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token, but for what is said otherwise; a claim that is `...` is left out."""
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": AUDIENCE, "iat": now, "exp": now + 300, "sub": "nobody"}
        kept = {name: value for name, value in (usual | claims).items() if value is not ...}
        algorithm, key = self.keys[self.kid]
        headers = {name: value for name, value in ({"kid": self.kid} | (header or {})).items() if value is not ...}
        return jwt.api_jws.PyJWS().encode(json.dumps(kept).encode(), key, algorithm, headers)

    def lie(self, path: str, document: Any = None, status: int = 200, **headers: str) -> None:
        """Answers `document` at `path`: JSON, or bytes as they are."""
        self._lies[path] = lambda handler: self.answer(handler, document, status, headers)

    def hang(self, path: str) -> None:
        """Says nothing at `path` until the provider ends."""
        self._lies[path] = lambda handler: self.released.wait(30)

    def dawdle(self, path: str, pause: float = 0.05) -> None:
        """Says a byte at a time, without an end."""

        def slowly(handler: Any) -> None:
            handler.send_response(200)
            handler.end_headers()
            while not self.released.wait(pause):
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return

        self._lies[path] = slowly

    def be_honest(self) -> None:
        self._lies.clear()

    @staticmethod
    def answer(handler: Any, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(OSError):  # who asked may have heard enough
            handler.wfile.write(body)
