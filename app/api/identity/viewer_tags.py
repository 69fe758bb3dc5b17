"""The tags that limit what a viewer sees, over HTTP: only monitors with one of them are visible."""

from uuid import UUID

from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody

from app.security.auth.policy import ADMIN
from app.store.identity import credential_caches, viewer_tags
from schema.tags import VisibleTags


class VisibleTagController(Controller):
    """Tags that limit what a viewer sees."""

    path = "/users/{user_id:str}/visible-tags"
    tags = ("Users",)
    guards = (ADMIN,)

    @get(operation_id="GetVisibleTags")
    async def get_visible_tags(self, user_id: FromPath[UUID]) -> VisibleTags:
        """Get the tags that limit what a user sees as a viewer; without tags they see everything."""
        return await viewer_tags.get(str(user_id))

    @put(operation_id="SetVisibleTags", opt={"refusals": [409]})
    async def set_visible_tags(self, user_id: FromPath[UUID], data: JSONBody[VisibleTags]) -> VisibleTags:
        """Limit a viewer to monitors with one of these tags; without tags they see everything."""
        visible_tags = await viewer_tags.set_for_user(str(user_id), data.visible_tags)
        credential_caches.clear_caches()
        return visible_tags
