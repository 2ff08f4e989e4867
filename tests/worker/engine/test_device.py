import pytest
import torch

from worker.engine.device import autocast, choose_device, choose_precision, describe_platform, memory_errors
from worker.engine.errors import DeviceOutOfMemory, DeviceUnavailable, PrecisionUnavailable

CPU = torch.device("cpu")


class TestPrecision:
    @pytest.mark.parametrize(
        ("bf16", "amx", "expected"),
        [(False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16")],
    )
    def test_auto_follows_the_instructions(self, monkeypatch, bf16, amx, expected):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        chosen = choose_precision("auto", CPU)
        assert (chosen.value, chosen.origin) == (expected, "hardware")
        assert "bf16" in chosen.reason

    @pytest.mark.parametrize(("bf16", "expected"), [(True, "bf16"), (False, "fp16")])
    def test_auto_on_a_gpu(self, monkeypatch, bf16, expected):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
        assert choose_precision("auto", torch.device("cuda")).value == expected

    def test_the_users_word_wins(self):
        assert choose_precision("bf16", CPU).origin == "spec"

    def test_fp16_on_a_cpu_is_refused(self):
        with pytest.raises(PrecisionUnavailable, match="fp16 needs a GPU"):
            choose_precision("fp16", CPU)

    @pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
    def test_autocast_computes_in_it(self, precision, dtype):
        with autocast(CPU, precision):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


class TestDevice:
    def test_auto_without_a_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert choose_device("auto") == CPU

    def test_a_missing_gpu_is_said(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(DeviceUnavailable, match="no device cuda:3"):
            choose_device("cuda:3")

    def test_platform_names_what_decides_the_bits(self):
        assert set(describe_platform(CPU)) == {"torch", "device", "capability", "threads"}


class TestMemory:
    def test_of_the_device_gets_its_own_code(self):
        with pytest.raises(DeviceOutOfMemory) as caught, memory_errors():
            raise torch.OutOfMemoryError("CUDA out of memory\nmore")
        assert caught.value.code == "gpu_out_of_memory"

    def test_other_errors_pass(self):
        with pytest.raises(RuntimeError, match="shapes"), memory_errors():
            raise RuntimeError("shapes differ")

    def test_of_the_host_is_a_memory_error(self):
        with pytest.raises(MemoryError), memory_errors():
            torch.empty(1 << 62, dtype=torch.uint8)
