"""Catalogues of products with their images, and image tasks: durable jobs that deliver the images of a query."""
