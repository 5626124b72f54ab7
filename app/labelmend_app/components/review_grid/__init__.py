"""The page of thumbnails on which a person answers suggestions by keys or mouse."""

from labelmend_app.components.review_grid._component import (
    FRONTEND,
    FRONTEND_URL,
    Actions,
    ReviewQueue,
    review_grid,
)

__all__ = ["FRONTEND", "FRONTEND_URL", "Actions", "ReviewQueue", "review_grid"]
