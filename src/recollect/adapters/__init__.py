"""Recollect in the shapes that frameworks and services know; each module stands alone and imports only the public package."""
