"""Linear algebra is held to one thread for as long as anybody asks for it, and no longer."""

from __future__ import annotations

from hemosight.space.one_thread import blas, one_thread


def _threads() -> list[int]:
    return [library["num_threads"] for library in blas().info() if library["user_api"] == "blas"]


def test_the_limit_ends_with_the_last_who_asked_for_it() -> None:
    with blas().limit(limits=2, user_api="blas"):
        before = _threads()
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        assert set(_threads()) == {1}
        first.__exit__(None, None, None)
        assert set(_threads()) == {1}, "the second is still inside"
        second.__exit__(None, None, None)
        assert _threads() == before
