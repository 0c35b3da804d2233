"""Ask the server on this host whether it is ready, for a container's HEALTHCHECK: exit status 0 or 1."""

from __future__ import annotations

import http.client
import os
import ssl
import sys


def main() -> int:
    """Return 0 where the server answers that it is ready, else 1."""
    port = int(os.environ.get("PORT", "8080"))
    connection: http.client.HTTPConnection
    if os.environ.get("MODEL_SERVER_TLS_DIR"):
        # it is asked on the loopback, for which no certificate is made out
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v2/health/ready")
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
