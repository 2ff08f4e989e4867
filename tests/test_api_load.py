"""The arithmetic of the load benchmark, and its generator against a server that stalls on purpose."""

import asyncio

import pytest

from benchmarks.api_figures.arithmetic import due_times, latencies, percentile
from benchmarks.api_figures.generator import Load, Plan

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class TestPercentiles:
    @pytest.mark.parametrize(
        ("share", "value"),
        [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1), (0.07, 7), (0.071, 8)],
    )
    def test_are_values_that_were_measured(self, share, value):
        assert percentile(list(range(100, 0, -1)), share) == value

    def test_of_one(self):
        assert percentile([3.0], 0.99) == 3.0

    @pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
    def test_of_nothing(self, values, share):
        with pytest.raises(ValueError, match="needs values"):
            percentile(values, share)


class TestSchedule:
    def test_is_even_and_as_long_as_asked(self):
        assert due_times(4, 2) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]

    def test_has_at_least_one(self):
        assert due_times(1, 0.1) == [0]

    def test_waiting_counts_from_when_a_request_was_due(self):
        # One connection, answers take 3 s each, due at 0, 1 and 2: the last one waits 9 - 2.
        assert latencies([0, 1, 2], [3, 6, 9]) == [3, 5, 7]

    @pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (-1, 1)])
    def test_of_nothing(self, rate, seconds):
        with pytest.raises(ValueError, match="above 0"):
            due_times(rate, seconds)


class TestGenerator:
    def measure(self, *, stall_seconds=0.0, answer=ANSWER, **plan):
        """A load on a server whose first answer takes so long, and what was asked of it."""
        asked, serving = [], []

        async def serve(reader, writer):
            serving.append(asyncio.current_task())
            while request := (await reader.read(4096)):
                asked.append(request)
                if len(asked) == 1:
                    await asyncio.sleep(stall_seconds)
                writer.write(answer[:10])
                await asyncio.sleep(0)
                writer.write(answer[10:])
            writer.close()
            await writer.wait_closed()

        async def run():
            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                port = server.sockets[0].getsockname()[1]
                facts = {"requests": ["A", "B"], "expected": 200, "connections": 1}
                load = Load(Plan(port, **facts | plan))
                measured = await load.run()
                for connection in load.connections:
                    connection.transport.close()
                await asyncio.gather(*serving)
                return measured

        return asyncio.run(run()), asked

    def test_a_stall_is_felt_by_all_who_would_have_asked(self):
        measured, asked = self.measure(stall_seconds=0.5, seconds=0.5, rate=20)
        assert asked == [b"A", b"B"] * 5
        assert len(measured.seconds) == 10
        # Due every 50 ms while the only connection waits: 500, 450, 400 … and not one of 500 beside nine of nothing.
        for number, seconds in enumerate(measured.seconds[:8]):
            assert seconds >= 0.5 - 0.05 * number - 0.01

    def test_a_closed_loop_asks_after_each_answer(self):
        measured, asked = self.measure(seconds=0.1, connections=3)
        assert len(measured.seconds) == len(asked) >= 6
        assert measured.per_second == len(asked) / measured.lasted_seconds
        assert measured.unexpected == {}

    def test_other_answers_are_counted(self):
        measured, asked = self.measure(seconds=0.05, answer=b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n")
        assert measured.unexpected == {"304": len(asked)}
