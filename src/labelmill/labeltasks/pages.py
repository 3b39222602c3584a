"""Pages."""

from labelmill.http import page_router

router = page_router()
