"""The weight decay that suits a training, from how much it decays the weights in all.

Each step takes lr × decay off a weight, and momentum m makes of it lr × decay / (1 - m). With SGD the sum over the
training is what recipes known to work agree on; with AdamW it is over how many epochs the weights forget, the time
1 / (lr × decay) in steps (Wang & Aitchison 2024, arXiv:2405.13698).
"""

import math
from dataclasses import dataclass

from app.domain.schedules import build_schedule
from app.domain.specs.parts import Adam, AdamW, Optimizer, Sgd
from app.domain.specs.policies import Policy
from app.domain.verification import FEWEST_STEPS

TOTAL_DECAY = 3.0  # with SGD; recipes of thousands of steps lie between 2.4 and 9
# ResNet-9 on a part of CIFAR-10 lost 1.5 points in 420 steps by decays of 3 in all, 1 by 1.6, and none by 1.
STEPS_TO_FORGET = 400  # at the least, on average, until a weight is down to 1 / e
_FULL_STEPS = round(TOTAL_DECAY * STEPS_TO_FORGET)
_MOST_POINTS = 10_000  # at which a schedule is summed up; a longer one is as smooth


@dataclass(frozen=True, slots=True)
class Prior:
    """A weight decay to begin with, and why."""

    weight_decay: float
    reason: str
    is_usual: bool = False  #: whether no rule holds, and it is the optimizer's usual one


def usual_decay(optimizer: Optimizer) -> float:
    """What the optimizer has where a spec says nothing."""
    return float(type(optimizer).model_fields["weight_decay"].default)


def weight_decay_prior(
    optimizer: Optimizer, policy: Policy, *, max_lr: float, epochs: int, steps_per_epoch: int, has_batch_norm: bool
) -> Prior:
    """For a training of so many epochs whose largest learning rate is known.

    lr × decay is the same for every max_lr, so a training that tries several rates decays alike at all of them.
    """
    if epochs * steps_per_epoch < FEWEST_STEPS:
        # ResNet-9 on the digits lost 6 to 26 points in 60 steps by the rules' decay, and none in 528.
        why = f"{optimizer.name}'s usual one: in fewer than {FEWEST_STEPS} steps the rule's would hold back learning"
        return _usual(optimizer, why)
    match optimizer:
        case Sgd() if not has_batch_norm:
            # The size of weights before batch norm does not matter; where it does, so much decay could hold back
            # learning itself, the more so as rates are small there.
            return _usual(optimizer, "sgd's usual one: the rule is for networks with batch norm")
        case Sgd():
            return _of_sgd(optimizer, policy, max_lr=max_lr, steps=epochs * steps_per_epoch)
        case AdamW():
            return _of_adamw(max_lr=max_lr, epochs=epochs, steps_per_epoch=steps_per_epoch)
        case Adam():
            why = "adam's usual one: it divides decay by the size of the gradient, so no rule holds; adamw does not"
            return _usual(optimizer, why)


def prior_ratio(before: Prior, after: Prior) -> float:
    """By what a decay that suits one training is multiplied to suit another; 1 where no rule holds for both."""
    return 1.0 if before.is_usual or after.is_usual else after.weight_decay / before.weight_decay


def forgetting_epochs(epochs: int) -> float:
    """Epochs over which AdamW's weights forget: between one and half of the training, in the middle of a log scale."""
    return math.sqrt(max(1.0, epochs / 2))


def total_decay(steps: int) -> float:
    """What a training of so many steps takes off its weights with SGD, as an exponent of e."""
    return min(TOTAL_DECAY, steps / STEPS_TO_FORGET)


def _usual(optimizer: Optimizer, why: str) -> Prior:
    return Prior(usual_decay(optimizer), why, is_usual=True)


def _of_sgd(optimizer: Sgd, policy: Policy, *, max_lr: float, steps: int) -> Prior:
    rate = total_rate(policy, max_lr=max_lr, steps=steps, momentum=optimizer.momentum)
    decay = total_decay(steps)
    why = f"{decay:.3g} / {rate:.3g}, the sum of lr / (1 - momentum) over {steps} steps to {max_lr:.2g}"
    is_less = f"; {decay:.3g} is 1 for each {STEPS_TO_FORGET} steps, and {TOTAL_DECAY:g} from {_FULL_STEPS:,} on"
    return Prior(decay / rate, why + (is_less if decay < TOTAL_DECAY else ""))


def _of_adamw(*, max_lr: float, epochs: int, steps_per_epoch: int) -> Prior:
    forgetting = forgetting_epochs(epochs)
    decay = 1 / (max_lr * steps_per_epoch * forgetting)
    why = f"1 / (max_lr {max_lr:.2g} × {steps_per_epoch} steps an epoch × {forgetting:.3g} epochs to forget in)"
    return Prior(decay, why)


def total_rate(policy: Policy, *, max_lr: float, steps: int, momentum: float) -> float:
    """The sum of lr / (1 - momentum) over a training; `momentum` is the optimizer's, for a policy that cycles none."""
    schedule, points = build_schedule(policy, max_lr=max_lr), min(steps, _MOST_POINTS)
    pairs = (schedule.at(point, points) for point in range(points))
    return sum(rate / (1 - (momentum if cycled is None else cycled)) for rate, cycled in pairs) * steps / points
