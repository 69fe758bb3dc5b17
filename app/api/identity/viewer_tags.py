"""What a viewer sees, over HTTP: everything, or the monitors that bear one of their tags."""

from uuid import UUID

from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody

from app.security.auth.policy import ADMIN
from app.store.identity import api_key_auth, basic_auth, sessions, viewer_tags
from schema.tags import VisibleTags


class VisibleTagController(Controller):
    """What a viewer sees."""

    path = "/users/{user_id:str}/visible-tags"
    tags = ("Users",)
    guards = (ADMIN,)

    @get(operation_id="GetVisibleTags")
    async def get_visible_tags(self, user_id: FromPath[UUID]) -> VisibleTags:
        """Read the tags that a user sees by as a viewer; none of them: everything."""
        return await viewer_tags.get(str(user_id))

    @put(operation_id="UpdateVisibleTags", opt={"refusals": [409]})
    async def update_visible_tags(self, user_id: FromPath[UUID], data: JSONBody[VisibleTags]) -> VisibleTags:
        """Have a viewer see only monitors that bear one of these tags; none of them: everything."""
        changed = await viewer_tags.set_for_user(str(user_id), data.visible_tags)
        for remembered in (sessions, api_key_auth, basic_auth):
            remembered.forget()
        return changed
