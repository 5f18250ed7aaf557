"""A real GraphQL server, Strawberry on uvicorn, with the schema that the manager asks."""

from __future__ import annotations

import socket
import threading
from typing import Annotated, Any, Optional, Union

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from waiting import until

API_KEY = "pod-key"
TOKEN = "token"


@strawberry.type
class StationType:
    id: int
    slug: str
    title: Optional[str]
    stream_url: Optional[str]
    generate_hls_stream: Optional[bool]
    disabled: Optional[bool]


@strawberry.input
class ListeningEventInput:
    anonymous_session_id: str
    station_slug: str
    ip_address: str
    user_agent: str
    timestamp: str
    event_type: str
    bytes_transferred: int
    request_duration: float
    status_code: int
    request_count: Optional[int] = None
    referer: Optional[str] = None


@strawberry.type
class SubmitListeningEventsResponse:
    success: bool
    message: str
    processed_count: int


@strawberry.type
class OperationMessage:
    code: Optional[str]
    field: Optional[str]
    kind: str
    message: str


@strawberry.type
class OperationInfo:
    messages: list[OperationMessage]


Answer = Annotated[
    Union[SubmitListeningEventsResponse, OperationInfo], strawberry.union("SubmitListeningEventsPayload")
]


def row(slug: str, stream_url: str, id: int = 1, **more: Any) -> dict[str, Any]:
    """A row of the station list."""
    usual = {"title": slug.title(), "generate_hls_stream": True, "disabled": False}
    return {"id": id, "slug": slug, "stream_url": stream_url, **usual, **more}


class Backend:
    """The server. ``rows`` is what it lists, ``events`` what it was told; ``broken`` makes it answer with errors, and
    events of sessions in ``refused`` it does not take."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.asked = 0
        self.broken = False
        self.refused: set[str] = set()
        self.authorizations: set[str | None] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._app = GraphQL(self._schema())
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql/"

    def start(self) -> None:
        """Comes up, at the same port as before."""
        if self._socket.fileno() < 0:
            self._socket = socket.create_server(("127.0.0.1", self.port))
        self._server = uvicorn.Server(uvicorn.Config(self._app, log_level="critical", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        until("the GraphQL server", lambda: self._server.started)

    def stop(self) -> None:
        """Goes down: connections are refused."""
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._socket.close()

    def refreshed(self, times: int = 1) -> None:
        """Waits until the list has been asked for so many times more."""
        enough = self.asked + times
        until("a refresh", lambda: self.asked >= enough)

    def _schema(self) -> strawberry.Schema:
        backend = self

        @strawberry.type
        class Query:
            @strawberry.field
            def stations(self, info: strawberry.Info) -> list[StationType]:
                backend.asked += 1
                backend.authorizations.add(info.context["request"].headers.get("authorization"))
                if backend.broken:
                    raise RuntimeError("the database is away")
                return [StationType(**row) for row in backend.rows]

        @strawberry.type
        class Mutation:
            @strawberry.mutation
            def submit_listening_events(self, info: strawberry.Info, events: list[ListeningEventInput]) -> Answer:
                if info.context["request"].headers.get("x-streaming-api-key") != API_KEY:
                    said = OperationMessage(code=None, field=None, kind="PERMISSION", message="API key")
                    return OperationInfo(messages=[said])
                if backend.broken:
                    raise RuntimeError("the database is away")
                if any(event.anonymous_session_id in backend.refused for event in events):
                    return SubmitListeningEventsResponse(success=False, message="what is this?", processed_count=0)
                backend.events += [strawberry.asdict(event) for event in events]
                return SubmitListeningEventsResponse(success=True, message="", processed_count=len(events))

        return strawberry.Schema(Query, Mutation, config=StrawberryConfig(auto_camel_case=False))
