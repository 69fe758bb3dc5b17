"""Sessions over HTTP, in the form of document 003: your own, or everybody's as an admin."""

from typing import Annotated, Literal

from litestar import Controller, delete, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct

from app.api.http import pagination
from app.api.http.pagination import ListRequest, Order, Window
from app.security.auth.policy import VIEWER
from app.store.identity import session_queries, sessions
from app.store.identity.session_queries import SessionQuery
from schema.pagination import Pagination
from schema.sessions import Session
from schema.status import Role
from schema.users import Principal

Sort = Literal["created", "last_accessed", "expires"]
UserFilter = Annotated[str | None, QueryParameter(max_length=64, description="Only sessions of this user. For admins.")]
IncludeOwn = Annotated[bool, QueryParameter(name="all", description="Also end the current session.")]


class Sessions(Struct, frozen=True, kw_only=True):
    """The whole list, up to 1,000 items. `total` counts all of them."""

    total: int
    sessions: list[Session]


class SessionPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[Session]
    pagination: Pagination


async def list_request(
    principal: NamedDependency[Principal],
    window: NamedDependency[Window],
    active: FromQuery[bool | None] = None,
    user_id: UserFilter = None,
    sort: FromQuery[Sort] = "last_accessed",
    order: FromQuery[Order] = "desc",
) -> ListRequest[SessionQuery]:
    """The requested sessions that the caller may see, from the query parameters."""
    query = SessionQuery(
        user_id=_visible_user_id(principal) or user_id,
        active=active,
        sort=sort,
        descending=order == "desc",
        limit=window.limit,
        offset=window.offset,
    )
    return ListRequest(query, window)


class SessionController(Controller):
    """Who is signed in, from where, and with what."""

    path = "/sessions"
    tags = ("Sessions",)
    guards = (VIEWER,)

    @get(
        operation_id="ListSessions",
        dependencies={"window": Provide(pagination.optional_window), "list_request": Provide(list_request)},
    )
    async def list_sessions(
        self, list_request: NamedDependency[ListRequest[SessionQuery]], principal: NamedDependency[Principal]
    ) -> Sessions | SessionPage:
        """List your own sessions, or everybody's as an admin. The last used are first; ended ones are included."""
        found, total = await session_queries.list_page(list_request.query, principal.session_id)
        if list_request.window.page is None:
            return Sessions(total=total, sessions=found)
        return SessionPage(data=found, pagination=pagination.page_info(list_request.window, total))

    @get("/{session_id:str}", operation_id="GetSession")
    async def get_session(self, session_id: FromPath[str], principal: NamedDependency[Principal]) -> Session:
        """Get one session, your own or anybody's as an admin."""
        return await session_queries.get(session_id, _visible_user_id(principal), principal.session_id)

    @delete("/{session_id:str}", operation_id="DeleteSession")
    async def delete_session(self, session_id: FromPath[str], principal: NamedDependency[Principal]) -> None:
        """End a session. Its tokens, its cookie and its WebSockets end within a second."""
        await session_queries.get(session_id, _visible_user_id(principal), principal.session_id)
        await sessions.end(session_id)

    @delete(operation_id="DeleteSessions")
    async def delete_sessions(
        self,
        principal: NamedDependency[Principal],
        user_id: UserFilter = None,
        include_own: IncludeOwn = False,  # noqa: FBT002  # Litestar passes it by name
    ) -> None:
        """End your own sessions, or everybody's as an admin; the current one only with `all=true`."""
        kept_id = None if include_own else principal.session_id
        await session_queries.end_others(_visible_user_id(principal) or user_id, kept_id)


def _visible_user_id(principal: Principal) -> str | None:
    """The user whose sessions the caller may see; None for all users."""
    return None if principal.role is Role.ADMIN else principal.user_id
