"""The device a job runs on: which one, in which precision, and what it says when its memory is full."""

import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from worker.engine.errors import DeviceOutOfMemory, DeviceUnavailable, PrecisionUnavailable

PrecisionName = Literal["fp32", "bf16", "fp16"]
_DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

AS_THE_SPEC_SAYS = "as the spec says"


@dataclass(frozen=True)
class Resolution:
    """A value that was settled for the user, where it comes from, and why."""

    value: Any
    origin: str
    reason: str


def choose_device(asked: str) -> torch.device:
    """`auto` takes the GPU where there is one; a name is taken as it is."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(asked)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable(f"There is no device {asked}")
    return device


def choose_precision(asked: str, device: torch.device) -> Resolution:
    """fp32, or a 16-bit format where the hardware computes in it: an emulated one is slower than none."""
    if asked == "fp16" and device.type == "cpu":
        raise PrecisionUnavailable("fp16 needs a GPU: its loss scaling has no CPU version")
    if asked != "auto":
        return Resolution(asked, origin="spec", reason=AS_THE_SPEC_SAYS)
    if _has_bf16(device):
        return Resolution("bf16", origin="hardware", reason=f"the {device.type} has bf16 instructions")
    if device.type == "cuda":
        return Resolution("fp16", origin="hardware", reason="the GPU has no bf16; fp16 with loss scaling")
    return Resolution("fp32", origin="hardware", reason=f"the {device.type} has no bf16 instructions")


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """The context in which a forward pass runs in `precision`."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn the device's way of saying "no memory" into DeviceOutOfMemory, and the host's into MemoryError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory(str(error).partition("\n")[0]) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from error


def describe_platform(device: torch.device) -> dict[str, str]:
    """What must match for a resumed training to be equal bit for bit."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "torch": str(torch.__version__),  # its own class is not on torch.load's list
        "device": name,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
