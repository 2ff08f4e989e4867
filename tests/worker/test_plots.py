"""Plots: real files, every landmark labelled, nothing overlapping, cut points confessed."""

import itertools
import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from app.domain.batch_norm import Comparison, Followed
from app.domain.landmarks import Landmarks
from app.domain.repeats import Curve, suggest_from
from app.domain.schedules import sweep_rates
from app.domain.suggestion import suggest_learning_rate
from app.domain.verification import Trial
from worker.plots import (
    EpochCurve,
    plot_accuracy,
    plot_batch_norm,
    plot_confusion,
    plot_learning_rate,
    plot_loss,
    plot_noise_scale,
    plot_range_test,
    plot_verification,
)
from worker.plots.confusion import describe, shares_of_rows
from worker.plots.range_test import draw_range_test
from worker.plots.training import draw_loss

RATES = sweep_rates(1e-6, 10.0, 100, "exponential")
TEN_EPOCHS = EpochCurve(range(1, 11), [0.5] * 10, [0.4] * 9 + [0.6])


@pytest.fixture
def curve():
    decades = np.log10(RATES)
    losses = 2.3 - 2 / (1 + np.exp(-3 * (decades + 3))) + np.exp(np.minimum(9 * (decades + 0.5), 60))
    losses[-4:] = np.nan
    return Curve(RATES, losses.tolist(), "end", False)


@pytest.fixture
def suggestion(curve):
    return suggest_learning_rate(curve.rates, curve.losses, stopped="non_finite")


@pytest.fixture
def assert_pictures():
    """Both files are there, readable, and large enough to read."""

    def check(files, stem):
        assert files == [stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")]
        with Image.open(files[0]) as picture:
            assert picture.width >= 800
            assert len(picture.convert("RGB").getcolors(maxcolors=1 << 24)) > 10  # not a blank page
        assert ElementTree.parse(files[1]).getroot().tag.endswith("svg")  # noqa: S314

    return check


class TestRangeTest:
    def test_writes_png_and_svg(self, curve, suggestion, tmp_path, assert_pictures):
        stem = tmp_path / "range_test.1"
        assert_pictures(plot_range_test([curve], suggestion, path_stem=stem, title="LeNet on MNIST"), stem)

    @pytest.mark.parametrize(
        "landmarks",
        [
            None,  # as found
            Landmarks(**dict.fromkeys(Landmarks.model_fields, 1e-6)),  # all at the left end
            Landmarks(**dict.fromkeys(Landmarks.model_fields, 10.0)),  # all at the right end
            Landmarks(**dict.fromkeys(Landmarks.model_fields, 0.01)),
            Landmarks(minimum=0.1, minimum_over_ten=1e-8),  # outside of the sweep
        ],
    )
    def test_labels_everything_without_overlaps(self, curve, suggestion, landmarks):
        landmarks = landmarks or suggestion.landmarks
        canvas = draw_range_test([curve], suggestion.model_copy(update={"landmarks": landmarks}), title="t")
        labels = [text for text in canvas.figure.texts if "\n" in text.get_text()]
        names = {label.get_text().split("\n")[0] for label in labels}
        wanted = {name for name, rate in landmarks if rate is not None} | {"max_lr"}
        assert names == {"minimum/10" if name == "minimum_over_ten" else name for name in wanted}
        boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
        assert boxes[0].x0 >= 0
        assert boxes[-1].x1 <= canvas.figure.bbox.width
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))

    def test_every_text_lies_inside_the_picture(self, curve, suggestion):
        canvas = draw_range_test([curve], suggestion, title="A title that goes on and on " * 9)
        canvas.figure.draw_without_rendering()
        page = canvas.figure.bbox
        for text in [*canvas.figure.texts, canvas.axes.xaxis.label, canvas.axes.yaxis.label]:
            box = text.get_window_extent()
            assert page.x0 <= box.x0
            assert box.x1 <= page.x1
            assert page.y0 <= box.y0
            assert box.y1 <= page.y1

    def test_points_at_the_rate_that_was_taken_in_place_of_the_suggestion(self, curve, suggestion):
        """The interval is that of the suggestion, so it goes too."""
        canvas = draw_range_test([curve], suggestion, title="t", max_lr=0.0123)
        texts = [text.get_text() for text in canvas.figure.texts]
        assert [text for text in texts if text.startswith("max_lr")] == ["max_lr\n0.012"]
        assert not [patch for patch in canvas.axes.patches if "interval" in str(patch.get_label())]

    def test_shows_what_held_out_images_said_and_reads_that(self, curve, tmp_path, assert_pictures):
        held_out = [loss if step % 4 == 0 else None for step, loss in enumerate(curve.losses)]
        looked = replace(curve, losses=[2.0] * 100, held_out=held_out)
        found = suggest_from([looked])
        canvas = draw_range_test([looked], found, title="t")
        lines = {line.get_label(): line for line in canvas.axes.get_lines()}
        assert len(lines["held-out loss"].get_xdata()) == len(lines["smooth (LOESS)"].get_xdata()) == 25
        assert len(lines["loss of each step"].get_xdata()) == 100
        assert canvas.axes.get_ylabel() == "loss"

    def test_an_explosion_does_not_flatten_the_curve(self, curve, suggestion):
        canvas = draw_range_test([curve], suggestion, title="t")
        assert canvas.axes.get_ylim()[1] < 6  # twice the initial 2.3, and a margin
        above = sum(loss > canvas.axes.get_ylim()[1] for loss in curve.losses)
        note = canvas.figure.texts[-1].get_text()
        assert note.startswith(f"{above} points above ")
        assert note.endswith("4 points not finite.")

    def test_a_curve_that_says_nothing(self, tmp_path, assert_pictures):
        flat = [2.3] * 100
        suggestion = suggest_learning_rate(RATES, flat)
        assert_pictures(
            plot_range_test([Curve(RATES, flat, "end", False)], suggestion, path_stem=tmp_path / "flat", title="flat"),
            tmp_path / "flat",
        )


class TestLearningRate:
    @pytest.mark.parametrize(
        ("steps", "rates", "momenta"),
        [
            (range(5000), [step / 5000 for step in range(5000)], [0.9] * 5000),
            (range(3), [0.1, 0.2, 0.1], None),
            ([0], [0.1], [0.9]),
        ],
    )
    def test_writes_png_and_svg(self, steps, rates, momenta, tmp_path, assert_pictures):
        files = plot_learning_rate(steps, rates, momenta=momenta, path_stem=tmp_path / "lr", title="Learning rate")
        assert_pictures(files, tmp_path / "lr")
        assert files[1].stat().st_size < 500_000  # thousands of steps are thinned out


class TestLoss:
    @pytest.mark.parametrize(
        ("losses", "epochs", "steps_per_epoch"),
        [
            ([2.3 / (1 + step) for step in range(100)], TEN_EPOCHS, 10),
            ([2.3, 1.9], EpochCurve([1], [2.1], [2.0]), 2),
            ([2.3], EpochCurve([1], [2.3], [2.0]), 1),
            ([2.3, 2.2, math.inf, math.nan], EpochCurve([], [], []), 10),  # diverged before an epoch was over
        ],
    )
    def test_writes_png_and_svg(self, losses, epochs, steps_per_epoch, tmp_path, assert_pictures):
        stem = tmp_path / "loss"
        files = plot_loss(
            range(len(losses)), losses, epochs=epochs, steps_per_epoch=steps_per_epoch, path_stem=stem, title="Loss"
        )
        assert_pictures(files, stem)

    def test_epochs_stand_where_their_last_step_stands(self):
        canvas = draw_loss(
            range(100), [1.0 - step / 200 for step in range(100)], epochs=TEN_EPOCHS, steps_per_epoch=10, title="Loss"
        )
        raw, *_, validation = canvas.axes.get_lines()
        assert raw.get_xdata()[-1] == validation.get_xdata()[-1] == 10

    def test_says_how_many_points_are_cut(self):
        losses = [2.0] * 50 + [1.0] * 40 + [90.0] * 10
        canvas = draw_loss(range(100), losses, epochs=TEN_EPOCHS, steps_per_epoch=10, title="Loss")
        assert canvas.figure.texts[-1].get_text().startswith("10 points above ")

    def test_no_finite_loss_is_an_error(self):
        with pytest.raises(ValueError, match="no loss is finite"):
            draw_loss([0], [math.nan], epochs=EpochCurve([], [], []), steps_per_epoch=1, title="Loss")


class TestAccuracy:
    @pytest.mark.parametrize(
        ("epochs", "best_epoch"),
        [(TEN_EPOCHS, 10), (TEN_EPOCHS, None), (EpochCurve([1], [0.5], [0.6]), 1)],
    )
    def test_writes_png_and_svg(self, epochs, best_epoch, tmp_path, assert_pictures):
        files = plot_accuracy(epochs, best_epoch=best_epoch, path_stem=tmp_path / "acc", title="Accuracy")
        assert_pictures(files, tmp_path / "acc")

    def test_the_same_curve_gives_the_same_picture(self, tmp_path):
        first, second = (
            plot_accuracy(TEN_EPOCHS, best_epoch=10, path_stem=tmp_path / name, title="Accuracy")[0].read_bytes()
            for name in ("one", "two")
        )
        assert first == second


class TestVerification:
    @pytest.mark.parametrize("losses", [[1.2, 0.9, 0.95, None], [None, None, None, None]])
    def test_writes_png_and_svg_with_every_rate_tried(self, tmp_path, assert_pictures, losses):
        trials = [Trial(2.0**-place, loss, 22) for place, loss in enumerate(losses)]
        stem = tmp_path / "verification"
        assert_pictures(plot_verification(trials, max_lr=0.0625, path_stem=stem, title="Short cycles"), stem)
        text = (tmp_path / "verification.svg").read_text()
        assert all(f"<!-- {rate:.3g} -->" in text for rate in (1, 0.5, 0.25, 0.125))
        assert ("<!-- diverged -->" in text) == (None in losses)


class TestBatchNorm:
    def test_writes_png_and_svg_with_every_momentum(self, tmp_path, assert_pictures):
        followed = [Followed(momentum, 1 / (1 + momentum), 0.9) for momentum in (0.1, 0.025, 0.05, 0.2, 0.4)]
        stem = tmp_path / "batch_norm"
        assert_pictures(plot_batch_norm(Comparison(followed, 0.9, 0.91), path_stem=stem, title="Momentum"), stem)
        text = (tmp_path / "batch_norm.svg").read_text()
        assert all(f"<!-- {one.momentum:.3g} -->" in text for one in followed)
        assert "<!-- exact statistics: 0.9 -->" in text

    def test_may_have_losses_that_are_no_numbers(self, tmp_path, assert_pictures):
        followed = [Followed(0.1, math.nan, 0.1), Followed(0.2, 0.9, 0.9)]
        stem = tmp_path / "batch_norm"
        assert_pictures(plot_batch_norm(Comparison(followed, math.nan, 0.1), path_stem=stem, title="Momentum"), stem)


class TestNoiseScale:
    @pytest.mark.parametrize(("noise", "chosen"), [(1.0, 16), (300.0, 256), (1e6, 1024), (40.0, 7)])
    def test_writes_png_and_svg_with_the_scale_and_the_choice(self, tmp_path, assert_pictures, noise, chosen):
        stem = tmp_path / "noise_scale"
        assert_pictures(plot_noise_scale(noise, chosen=chosen, path_stem=stem, title="Batch size"), stem)
        text = (tmp_path / "noise_scale.svg").read_text()
        assert f"<!-- gradient noise scale {noise:.3g} -->" in text
        assert f"<!-- batch size {chosen} -->" in text


class TestConfusion:
    @pytest.mark.parametrize("count", [2, 10, 15, 16, 60, 61, 300])
    def test_of_few_and_of_many_classes(self, tmp_path, assert_pictures, count):
        counts = np.random.default_rng(0).integers(0, 9, (count, count)) + np.diag([50] * count)
        names = [f"a class with a rather long name {number}" for number in range(count)]
        files = plot_confusion(counts, names, split="test", path_stem=tmp_path / "confusion_matrix", title="On pets")
        assert_pictures(files, tmp_path / "confusion_matrix")
        text = files[1].read_text()
        assert "test images" in text
        assert ("a class with a rather l…" in text) is (count <= 60)

    def test_names_are_no_formulas(self, tmp_path, assert_pictures):
        names = ["$", "$x_$", r"$\\frac{$"]
        files = plot_confusion(np.ones((3, 3), int), names, split="test", path_stem=tmp_path / "c", title="$x_$")
        assert_pictures(files, tmp_path / "c")

    def test_cells_are_shares_of_their_row(self):
        found = shares_of_rows(np.array([[3, 1, 0], [0, 0, 0], [0, 1, 1]]))
        assert found.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.5]]

    def test_the_title_says_how_much_is_right_and_what_is_confused_most(self):
        words = describe(np.array([[900, 100], [7, 993]]), ["cat", "dog"])
        assert words == "1,893 of 2,000 right (94.65 %)\nmost often wrong: cat taken for dog, 100 times"
        assert describe(np.diag([5, 5]), ["cat", "dog"]) == "10 of 10 right (100.00 %)"

    def test_the_same_counts_give_the_same_picture(self, tmp_path):
        made = [
            plot_confusion(np.eye(3, dtype=np.int64), list("abc"), split="validation", path_stem=stem, title="t")[0]
            for stem in (tmp_path / "a", tmp_path / "b")
        ]
        assert made[0].read_bytes() == made[1].read_bytes()
