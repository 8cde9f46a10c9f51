"""What handlers ask for is there without a detour: FastAPI sends every plain function through a thread."""

import inspect

from adapters.http import dependencies
from adapters.http.dependencies import CaseId, CurrentAdmin, CurrentSessionId, DocumentId, MetricsDep, OptionsDep


def test_dependencies_are_coroutines() -> None:
    for annotated in (CurrentAdmin, CurrentSessionId, CaseId, DocumentId, OptionsDep, MetricsDep):
        (depends,) = annotated.__metadata__
        pending = [depends.dependency]
        while pending:
            call = pending.pop()
            if call is dependencies._bearer:
                continue
            assert inspect.iscoroutinefunction(call), call
            for parameter in inspect.get_annotations(call, eval_str=True).values():
                found = getattr(parameter, "__metadata__", ())
                pending += [each.dependency for each in found if getattr(each, "dependency", None)]
