from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import Checkout
from versioned import Versioned


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


class Origin(NamedTuple):
    """What an author made, versioned and shared.

    Attributes:
        checkout: the author's; not to be changed, copy or clone it.
        first, second: what two calls of `dvc repro` there told.
        calls: the steps that each of them did.
        store: the remote that everything was pushed to.
    """

    checkout: Versioned
    first: str
    second: str
    calls: tuple[list[str], list[str]]
    store: Path

    def clone(self, folder: Path, *pulled: str) -> Versioned:
        """Return a fresh clone with the store as its remote and what is named pulled from it."""
        clone = self.checkout.clone(folder)
        clone.succeed("dvc", "remote", "add", "--local", "--default", "store", str(self.store))
        for name in pulled:  # apart: with a stage and a file in one call DVC leaves the file out
            clone.succeed("dvc", "pull", *([] if name == "everything" else [name]))
        return clone


@pytest.fixture(scope="session")
def origin(tmp_path_factory):
    checkout = Versioned.new(tmp_path_factory.mktemp("author"))
    store = tmp_path_factory.mktemp("store")
    first = checkout.succeed("dvc", "repro")
    first_calls = checkout.calls()
    checkout.commit()
    second = checkout.succeed("dvc", "repro")
    second_calls = checkout.calls()
    checkout.succeed("dvc", "remote", "add", "--local", "--default", "store", str(store))
    checkout.succeed("dvc", "push")
    return Origin(checkout, first, second, (first_calls, second_calls), store)
