"""Which precision trains faster on this machine, and whether compiling pays: measured once, then remembered."""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.domain.specs.leaf import LeafSpec
from worker.engine.device import AS_THE_SPEC_SAYS, Resolution, autocast, choose_precision, memory_errors
from worker.engine.draws import preserved
from worker.engine.errors import TOO_FEW_VALUES, BatchTooSmall, CompileFailed
from worker.engine.trial_memory import TrialMemory

Call = Callable[[Tensor], Tensor]

# A trial costs about as much as a few dozen batches, so a training of fewer than this is not worth one.
FEWEST_BATCHES = 200
# Batch norm needs a few images, and smaller batches are no speed to compare.
FEWEST_IMAGES = 8
_TRIAL_SECONDS, _BLOCKS, _BLOCK_SECONDS, _SLOWEST_STEP = 2.0, 7, 0.04, 0.4
# Compiling is tried only where saving this share of the training would pay for this many seconds of compiling.
_HOPED_SAVING, _EXPECTED_COMPILING = 0.3, 60.0
# A lead that would drown in the noise of a trial is none: fp32 and uncompiled are the simpler ones.
_CLEAR_LEAD = 1.05


@dataclass(frozen=True)
class Trial:
    """The work to be timed: one network on batches of random pixels, of which so many will follow in earnest."""

    device: torch.device
    architecture: Mapping[str, Any]
    new_network: Callable[[], nn.Module]
    shape: tuple[int, int, int, int]
    classes: int
    batches: int
    memory: TrialMemory | None  #: without one, nothing is measured

    @property
    def obstacle(self) -> str | None:
        """Why no trial is made, if so."""
        if self.memory is None:
            return "no trials are made here"
        if self.batches < FEWEST_BATCHES:
            return "this training is too short for a trial"
        if self.shape[0] < FEWEST_IMAGES:
            return f"batches of {self.shape[0]} are too small for a trial"
        return None

    def training_seconds(self, seconds_per_image: float) -> float:
        """What all forward and backward passes would take."""
        return seconds_per_image * self.shape[0] * self.batches

    @cached_property
    def key(self) -> str:
        """All that decides the speed of a step: machine, torch, network and batch."""
        facts = {
            "device": device_name(self.device),
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
            "torch": str(torch.__version__),
            "architecture": dict(self.architecture),
            "shape": self.shape,
            "classes": self.classes,
        }
        return json.dumps(facts, sort_keys=True)

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Seconds an image by name, as measured so far, and those of `compiling`."""
        return self.memory.recall(self.key) if self.memory else {}

    def note(self, **seconds: float) -> None:
        """Keep what was measured, for this choice and for later ones."""
        self.seconds.update(seconds)
        if self.memory:
            self.memory.note(self.key, seconds)


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()} {torch.backends.cpu.get_cpu_capability()}"


def _processor() -> str:
    """The model where Linux tells it; `platform` knows the family at best."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def choose_computation(spec: LeafSpec, trial: Trial, *, settled: Mapping[str, Any]) -> dict[str, Resolution]:
    """`precision` and `compile`: the user's word, else what an attempt or plan settled, else what is faster here.

    torch's global generators stay as they are. Raises PrecisionUnavailable, CompileFailed and DeviceOutOfMemory.
    """
    with preserved(trial.device), memory_errors():
        precision = _precision(spec, trial, settled=settled.get("precision"))
        compiling = _compile(spec, trial, precision=precision.value, settled=settled.get("compile"))
    return {"precision": precision, "compile": compiling}


def _precision(spec: LeafSpec, trial: Trial, *, settled: Mapping[str, Any] | None) -> Resolution:
    chosen = choose_precision(spec.precision, trial.device)
    if spec.precision != "auto":
        return chosen
    if settled is not None and _suits(settled, chosen, trial):
        return Resolution(settled["value"], settled["origin"], settled["reason"])  # half a training in each is neither
    if chosen.value == "fp32":  # nothing else is computed in hardware
        return chosen
    if spec.deterministic:
        return replace(chosen, reason=f"{chosen.reason}; no trial, since deterministic work must not hang on a clock")
    return _faster_precision(trial, chosen)


def _suits(settled: Mapping[str, Any], chosen: Resolution, trial: Trial) -> bool:
    """Whether that can go on here: what is another training's only where the hardware computes in it."""
    is_possible = settled["value"] != "fp16" or trial.device.type != "cpu"
    return is_possible and (settled["origin"] != "plan" or settled["value"] in ("fp32", chosen.value))


def _faster_precision(trial: Trial, chosen: Resolution) -> Resolution:
    """Of fp32 and the hardware's 16-bit format, the one that measured faster."""
    name = str(chosen.value)
    names = ["fp32", name]
    remembered = trial.seconds.keys() >= set(names)
    if not remembered and trial.obstacle:
        return replace(chosen, reason=f"{chosen.reason}; {trial.obstacle}")
    if not remembered:
        try:
            _measure_eager(trial, names)
        except torch.OutOfMemoryError:
            return replace(chosen, reason=f"{chosen.reason}; no trial, since fp32 does not fit its memory")
    lead = trial.seconds["fp32"] / trial.seconds[name]
    earlier = ", as measured before" if remembered else ""
    if lead >= _CLEAR_LEAD:
        return Resolution(name, "measured", f"{name} trained {lead:.2f} times as fast as fp32 here{earlier}")
    reason = f"{name} trained only {lead:.2f} times as fast as fp32 here{earlier}, which is more exact"
    return Resolution("fp32", "measured", reason)


def _compile(spec: LeafSpec, trial: Trial, *, precision: str, settled: Mapping[str, Any] | None) -> Resolution:
    if spec.compile == "off":
        return Resolution("off", "spec", AS_THE_SPEC_SAYS)
    if spec.compile == "on":
        compiled_forward(trial, precision)
        return Resolution("on", "spec", AS_THE_SPEC_SAYS)
    if spec.deterministic:
        return Resolution("off", "default", "deterministic work must not hang on a clock")
    if settled is None:
        return _faster_compiled(trial, precision)
    if settled["value"] == "on":
        try:
            compiled_forward(trial, precision)
        except CompileFailed as error:
            return Resolution("off", "worker", f"compiled before, which fails here: {error.detail}")
    return Resolution(settled["value"], settled["origin"], settled["reason"])


def _faster_compiled(trial: Trial, precision: str) -> Resolution:
    """Compiled where that saves more seconds than it takes."""
    name = f"{precision}_compiled"
    known = trial.seconds.keys() >= {precision, name, "compiling"}
    if not known and (why_not := _hopeless(trial, precision)):
        return Resolution("off", "measured" if precision in trial.seconds else "default", why_not)
    if not known:
        try:
            _measure_compiled(trial, precision)
        except CompileFailed as error:
            return Resolution("off", "worker", f"this worker cannot compile it: {error.detail}")
        except torch.OutOfMemoryError:
            return Resolution(
                "off", "worker", "the trial of compiling, which holds two networks, does not fit the device"
            )
    return _weighed(trial, precision, is_compiled_already=not known)


def _hopeless(trial: Trial, precision: str) -> str | None:
    """Why no compiling need be tried, if so."""
    if precision not in trial.seconds:
        if trial.obstacle:
            return trial.obstacle
        _measure_eager(trial, [precision])
    ahead = trial.training_seconds(trial.seconds[precision])
    if ahead * _HOPED_SAVING > _EXPECTED_COMPILING:
        return None
    return f"about {ahead:.0f} s of training are too few to repay compiling"


def _weighed(trial: Trial, precision: str, *, is_compiled_already: bool) -> Resolution:
    """What compiling saves against what it takes, which is spent where the trial has just compiled."""
    eager, compiled, cost = (trial.seconds[name] for name in (precision, f"{precision}_compiled", "compiling"))
    lead, saved = eager / compiled, trial.training_seconds(eager - compiled)
    reason = f"compiled, it trained {lead:.2f} times as fast here; compiling took {cost:.0f} s"
    if lead >= _CLEAR_LEAD and (is_compiled_already or saved > cost):
        return Resolution("on", "measured", reason)
    return Resolution("off", "measured", f"{reason}, which this training does not repay")


def _measure_eager(trial: Trial, names: list[str]) -> None:
    network = trial.new_network().train()
    images = _affordable_images(trial, network)
    batch = _random_batch(trial, images)
    steps = {name: partial(_step, network, batch, precision=name) for name in names}
    seconds = compare(steps, device=trial.device)
    trial.note(**{name: value / images for name, value in seconds.items()})


def _measure_compiled(trial: Trial, precision: str) -> None:
    """Time whole batches, for which the training can use what was compiled here."""
    began = perf_counter()
    forward = compiled_forward(trial, precision)
    compiling = perf_counter() - began
    batch = _random_batch(trial, trial.shape[0])
    network = trial.new_network().train()
    steps = {
        precision: partial(_step, network, batch, precision=precision),
        f"{precision}_compiled": partial(_step, forward, batch, precision=precision),
    }
    seconds = compare(steps, device=trial.device)
    trial.note(compiling=compiling, **{name: value / trial.shape[0] for name, value in seconds.items()})


def compiled_forward(trial: Trial, precision: str) -> Call:
    """A compiled network that has made one pass forward and back. Raises CompileFailed and BatchTooSmall."""
    try:
        forward: Call = torch.compile(trial.new_network().train(), dynamic=False)
        _step(forward, _random_batch(trial, trial.shape[0]), precision=precision)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a compiler may fail in any way that its languages and tools can
        if TOO_FEW_VALUES in str(error):
            raise BatchTooSmall(f"Batch norm has a single value per channel in a batch of {trial.shape[0]}") from error
        raise CompileFailed(" ".join(f"{type(error).__name__}: {error}".split())[:300]) from error
    return forward


def _affordable_images(trial: Trial, network: nn.Module) -> int:
    """The batch, or as much of it as a step of bearable length takes."""
    probe = partial(_step, network, _random_batch(trial, FEWEST_IMAGES), precision="fp32")
    probe()
    predicted = _timed(probe, 1, device=trial.device) * trial.shape[0] / FEWEST_IMAGES
    return max(FEWEST_IMAGES, int(trial.shape[0] * min(1.0, _SLOWEST_STEP / predicted)))


def compare(steps: Mapping[str, Callable[[], None]], *, device: torch.device) -> dict[str, float]:
    """The median seconds of each kind of step, warmed up, in blocks that take turns so that a disturbance hits all."""
    repeats = {}
    for name, step in steps.items():
        step()
        repeats[name] = max(1, min(20, int(_BLOCK_SECONDS / _timed(step, 1, device=device))))
    taken: dict[str, list[float]] = {name: [] for name in steps}
    began = perf_counter()
    for block in range(_BLOCKS):
        if block and perf_counter() - began > _TRIAL_SECONDS:
            break
        for name, step in steps.items():
            taken[name].append(_timed(step, repeats[name], device=device))
    return {name: median(values) for name, values in taken.items()}


def _timed(step: Callable[[], None], repeats: int, *, device: torch.device) -> float:
    """Seconds of one step, the mean over some."""
    _wait(device)
    began = perf_counter()
    for _ in range(repeats):
        step()
    _wait(device)
    return (perf_counter() - began) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _random_batch(trial: Trial, images: int) -> tuple[Tensor, Tensor]:
    pixels = torch.randn((images, *trial.shape[1:]), device=trial.device)
    labels = torch.randint(trial.classes, (images,), device=trial.device)
    return pixels.contiguous(memory_format=torch.channels_last), labels


def _step(forward: Call, batch: tuple[Tensor, Tensor], *, precision: str) -> None:
    """The part of an optimizer step that precision and compiling change."""
    pixels, labels = batch
    with autocast(pixels.device, precision):
        logits = forward(pixels)
    functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
