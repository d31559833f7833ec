"""The HTTP server: `create_app` to embed it, `run` to serve it."""

from recollect.server.app import create_app
from recollect.server.run import run

__all__ = ["create_app", "run"]
