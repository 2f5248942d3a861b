"""A module per kind of source: `prepare_<kind>` in `<kind>.py` writes it as a prepared set."""
