"""Forms that come back with what was wrong beside each input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import ValidationError

from appliance.advice import advice, sentence
from appliance.problems import Problem
from smbcore.state.errors import ConflictError, StateError

_REFUSED = (403, 404, 409, 412, 422, 429, 503)


@dataclass(slots=True)
class FormErrors:
    """What was wrong with a form; empty when nothing was.

    summary  what belongs to no single input
    fields   sentence per input
    """

    summary: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.summary or self.fields)

    @contextmanager
    def noted(self, inputs: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
        """Note refusals instead of raising them; `inputs` renames fields to the inputs of the form."""
        try:
            yield
        except ConflictError as error:
            self.summary = error.message
        except StateError as error:
            self._note(inputs.get(error.field, error.field), sentence(error.message))
        except ValidationError as error:
            for item in error.errors():
                name = str(item["loc"][0]) if item["loc"] else ""
                self._note(inputs.get(name, name), advice(item))
        except Problem as problem:
            if problem.status not in _REFUSED:
                raise
            for blamed in problem.errors:
                self._note(inputs.get(blamed.field, blamed.field), blamed.message)
            if not self.fields:
                self.summary = problem.detail or problem.title

    def _note(self, name: str, message: str) -> None:
        if name:
            self.fields.setdefault(name, message)
        else:
            self.summary = message
