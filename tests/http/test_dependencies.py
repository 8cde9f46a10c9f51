"""What handlers ask for is there without a detour: FastAPI sends every plain function through a thread."""

import inspect

from fastapi.routing import APIRoute

from tests.http.world import World


def test_dependencies_are_coroutines(world: World) -> None:
    routes = [route for route in world.app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 40
    for route in routes:
        pending = list(route.dependant.dependencies)
        assert pending or "actor" not in inspect.signature(route.endpoint).parameters
        while pending:
            dependant = pending.pop()
            call = dependant.call
            assert inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__), call
            pending += dependant.dependencies


def test_routes_are_those_of_the_application(world: World) -> None:
    """Not of included routers, each of which searches its own routes for every request, in two passes."""
    assert all(hasattr(route, "path") for route in world.app.routes)
