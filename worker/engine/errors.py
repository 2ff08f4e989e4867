"""What can go wrong in the engine, each with the stable code the user will see.

EngineError
├── LrDiverged               the loss exploded or stopped being a number
├── DeviceUnavailable        this worker has no such device
├── PrecisionUnavailable     the device does not compute in it
├── CompileFailed            torch.compile cannot make this network's step, or not on this machine
├── ArchitectureUnavailable  this worker has no network of that name
├── ArchitectureUnfit        a custom architecture's layers do not fit these images
├── WeightsUnavailable       pretrained weights neither cached nor to be had
├── ImageSizeUnfit           the network does not take images of this side
├── BatchTooSmall            batch norm has nothing to average over
├── NoTestSplit              nothing to validate on
├── NotDeterministic         a kernel has no version that gives the same bits every time
├── DeviceOutOfMemory        the batch does not fit the device
├── HostOutOfMemory          nor the machine's memory
└── CheckpointDamaged        the file to go on from is not what was written

Stopped stands beside it: the engine was asked to stop, which is no error of the job.
"""

from worker.engine.events import Stop


class EngineError(Exception):
    """A failure with a code; `hint` says what to do about it. Each kind is a class of its own."""

    code: str
    title: str
    hint: str

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or self.hint


class LrDiverged(EngineError):
    """The loss is not finite, or far above where it began and staying there."""

    code = "lr_diverged"
    title = "The learning rate is too large: the loss diverged"
    hint = 'Lower schedule.max_lr, or set it to "auto" to have it picked by a range test.'


class DeviceUnavailable(EngineError):
    """The worker was started for a device that its machine does not have."""

    code = "device_unavailable"
    title = "The worker's device is not available"
    hint = "Start the worker with a GPU, or with device cpu."


class PrecisionUnavailable(EngineError):
    """The device has no arithmetic of this precision."""

    code = "precision_unavailable"
    title = "The device does not compute in this precision"
    hint = 'Set precision to "auto", which takes the fastest that the device has.'


class CompileFailed(EngineError):
    """torch.compile did not get through, be it for the network or for want of a compiler."""

    code = "compile_failed"
    title = "The network could not be compiled"
    hint = 'Set compile to "auto" or "off"; on a CPU, compiling needs a C++ compiler beside the worker.'


class ArchitectureUnavailable(EngineError):
    """The worker's installation lacks a network that the service knows."""

    code = "architecture_unavailable"
    title = "The worker does not have this architecture"
    hint = "Install the same version on worker and service, or choose another of GET /v1/architectures."


class ArchitectureUnfit(EngineError):
    """A layer of a custom architecture cannot take what the layer before it gives, or the images."""

    code = "layer_unfit"
    title = "The layers do not fit the images"
    hint = "Correct the layer named, or change image_size; GET /v1/architectures/custom explains every layer."


class ImageSizeUnfit(EngineError):
    """The network does not take images of this side."""

    code = "image_size_unfit"
    title = "The architecture does not take images of this size"
    hint = "Change image_size, or leave it out to have it fit."


TOO_FEW_VALUES = "more than 1 value per channel"  #: how torch says what BatchTooSmall is


class BatchTooSmall(EngineError):
    """Batch norm has a single value per channel, so nothing to normalise by."""

    code = "batch_too_small"
    title = "The batch is too small for batch norm"
    hint = "Raise batch_size or image_size."


class NoTestSplit(EngineError):
    """The data set has no test split to validate on."""

    code = "no_test_split"
    title = "The data set has no test split"
    hint = "Give validation as a share of the training images, e.g. 0.1."


class NotDeterministic(EngineError):
    """An operation of the network has no deterministic kernel on this device."""

    code = "not_deterministic"
    title = "The network cannot be trained deterministically on this device"
    hint = "Set deterministic to false, or choose another architecture."


class WeightsUnavailable(EngineError):
    """The pretrained weights are not in the local cache and could not be downloaded."""

    code = "weights_unavailable"
    title = "Pretrained weights are not available"
    hint = "Connect the worker to the network once, put the file into its cache, or set pretrained to false."


class DeviceOutOfMemory(EngineError):
    """The device has less memory than the network needs at this batch size."""

    code = "gpu_out_of_memory"
    title = "The device ran out of memory"
    hint = "Lower batch_size or image_size, or choose a smaller architecture."


class HostOutOfMemory(EngineError):
    """The machine has less memory than the network needs at this batch size."""

    code = "host_out_of_memory"
    title = "The machine ran out of memory"
    hint = "Lower batch_size or image_size, or give the worker more memory."


class CheckpointDamaged(EngineError):
    """The file is not the one that was written: its digest differs, or it does not fit this job."""

    code = "checkpoint_damaged"
    title = "The checkpoint cannot be used"
    hint = "Go on from an older checkpoint, or start again."


class Stopped(Exception):
    """The engine did as it was asked and stopped."""

    def __init__(self, reason: Stop) -> None:
        super().__init__(reason.value)
        self.reason = reason
