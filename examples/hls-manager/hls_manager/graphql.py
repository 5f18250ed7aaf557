"""A GraphQL client: one question, one answer, one kind of error."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any

#: The most that is read of an answer.
_MAX_BYTES = 64 << 20
_CHUNK = 1 << 16
#: What says that a question is wrong in itself. Others, a missing token among them, can be mended elsewhere.
_REFUSED = (400, 422)


class GraphQLError(Exception):
    """A question that got no usable answer."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        """Whether the server understood and said no to just this, so that the same again will hardly do better."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET and could hand a token to another server."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        raise GraphQLError(f"{code}: the endpoint is at {newurl}, set GRAPHQL_ENDPOINT to that")


class GraphQL:
    """An endpoint, with the headers that go with every question. It may be used from any thread."""

    def __init__(self, endpoint: str, *, bearer: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._endpoint = endpoint
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if bearer:
            self._headers["Authorization"] = f"Bearer {bearer}"
        self._opener = urllib.request.build_opener(_NoRedirects)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """The ``data`` of the answer; a GraphQLError if there is none within ``timeout_s``, or it came with errors."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(self._endpoint, data=body, headers=self._headers, method="POST")
        end = time.monotonic() + timeout_s
        try:
            with self._opener.open(request, timeout=timeout_s) as response:
                return _data(_read(response, end))
        except urllib.error.HTTPError as error:
            said = f"HTTP {error.code}: {_line(_beginning(error))}"
            raise GraphQLError(said, refused=error.code in _REFUSED) from None
        except urllib.error.URLError as error:
            raise GraphQLError(str(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise GraphQLError(str(error) or type(error).__name__) from None


def _beginning(error: urllib.error.HTTPError) -> str:
    """Of what a server says of an error; nothing when that breaks off, as the status is known all the same."""
    try:
        with error:
            return error.read(300).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""


def _read(response: http.client.HTTPResponse, end: float) -> bytes:
    # A server that sends a byte now and then never runs into the timeout of the socket.
    got = bytearray()
    while chunk := response.read1(_CHUNK):
        got += chunk
        if len(got) > _MAX_BYTES:
            raise GraphQLError(f"the answer is longer than {_MAX_BYTES} bytes")
        if time.monotonic() > end:
            raise GraphQLError("the answer does not come to its end in time")
    return bytes(got)


def _data(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        raise GraphQLError(f"the answer is not JSON: {_line(body[:300].decode(errors='replace'))}") from None
    if not isinstance(answer, dict):
        raise GraphQLError("the answer is not a JSON object")
    if answer.get("errors"):
        raise GraphQLError(_line(json.dumps(answer["errors"])))
    data = answer.get("data")
    if not isinstance(data, dict):
        raise GraphQLError("the answer has no data")
    return data


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
