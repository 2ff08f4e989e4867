"""Lets in who may call: `authenticate` says who it is, `permit` whether the key allows what is asked."""

from contextlib import AbstractContextManager
from typing import Annotated

from fastapi import Depends, Request

from app.api_keys.held import Held
from app.callers import Caller, Scope
from app.state import state_of


# async, like permit: a dependency in the thread pool would cost more than most answers.
async def authenticate(request: Request) -> Caller:
    """Who calls; raises Unauthorized without a good key."""
    return await state_of(request).keyring.caller_of(_shown(request))


Authenticated = Annotated[Caller, Depends(authenticate)]


async def permit(request: Request, caller: Authenticated) -> None:
    """Raise where the key does not allow it: reading needs `read`, everything else `submit`."""
    caller.require(Scope.READ if request.method == "GET" else Scope.SUBMIT)


async def permit_reading(caller: Authenticated) -> None:
    """The same for what changes nothing, whatever its method."""
    caller.require(Scope.READ)


async def permit_all(caller: Authenticated) -> None:
    """Raise for all but an administrator: what is shown is of every owner."""
    caller.require(Scope.ADMIN)


def hold_key(request: Request) -> AbstractContextManager[Held]:
    """Have the key of a request looked at again for as long as it lasts: `is_lost` says that it lets nobody in."""
    return state_of(request).held_keys.hold(_shown(request))


def _shown(request: Request) -> str:
    return request.headers.get("authorization", "")
