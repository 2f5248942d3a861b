"""The checkable statements of the supplement: what is found for each, and the verdict."""
