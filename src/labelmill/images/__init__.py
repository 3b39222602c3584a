"""Catalogues of products with their images, and image tasks: durable jobs that deliver the images of a query."""

from __future__ import annotations

from labelmill.images.filters import Condition
from labelmill.images.task import Delivery
from labelmill.images.transforms import Transform

__all__ = ["Condition", "Delivery", "Transform"]
