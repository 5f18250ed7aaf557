"""``python -m hls_manager health_check``: what a container asks. It answers within three seconds."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping

from .settings import SettingsError, read_variable

_TIMEOUT_S = 2.5


def health_check(environment: Mapping[str, str], *, all_stations: bool = False) -> int:
    """Asks the running service whether it is alive, or well in all its stations: 0 for yes, 1 for no, with the reasons
    on stderr. Of the environment nothing but the service's address is of interest here."""
    try:
        host, port = read_variable("health_address", environment)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health" if all_stations else "/live")
        response = connection.getresponse()
        answer = json.loads(response.read(1 << 20))
        if response.status == 200:
            return 0
        print("\n".join(answer.get("reasons", [])) or f"status {response.status}", file=sys.stderr)
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        print(f"http://{host}:{port}: {error or type(error).__name__}", file=sys.stderr)
    finally:
        connection.close()
    return 1
