"""From a delivery to a payload."""

from typing import TypeVar

from pydantic import ValidationError

from shared.amqp.delivery import Delivery
from shared.contracts.messages import Payload
from shared.errors import MalformedMessageError

P = TypeVar("P", bound=Payload)


def decode(delivery: Delivery, *kinds: type[P]) -> P:
    """Validate the body as the payload that the envelope's `type` names.

    Raises `MalformedMessageError` when the type is none of `kinds` or the body does not fit; the text says where.
    """
    for kind in kinds:
        if delivery.kind == kind.type:
            try:
                return kind.model_validate_json(delivery.body)
            except ValidationError as error:
                fault = error.errors(include_input=False, include_url=False)[0]
                where = ".".join(str(part) for part in fault["loc"]) or "body"
                raise MalformedMessageError(f"{kind.type}: {where}: {fault['msg']}") from None
    expected = ", ".join(kind.type for kind in kinds)
    raise MalformedMessageError(f"Message type {delivery.kind!r} is not one of {expected}.")
