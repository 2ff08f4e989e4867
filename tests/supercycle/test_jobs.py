import json

import pytest

from supercycle import Client

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"
JOB = f"/v1/jobs/{JOB_ID}"
STATES = ["running", "pausing", "paused", "queued", "running", "pausing", "paused"]  # paused twice, as seq 3 and 7
PAUSED_TWICE = [(seq, "state", {"state": state, "previous": None}) for seq, state in enumerate(STATES, 1)]
END = [
    (8, "state", {"state": "queued", "previous": "paused"}),
    (9, "state", {"state": "cancelled", "previous": "queued"}),
]


@pytest.fixture
def history(service, canned, event_stream):
    """Makes the service answer with these events, as a stream and as pages."""

    def tell(events):
        def answer(request):
            if request.headers["Accept"] == "text/event-stream":
                after = int(request.headers.get("Last-Event-ID", 0))
                return event_stream(*[event for event in events if event[0] > after])
            after = int(request.query["after"][0])
            return canned({"items": [{"seq": event[0]} for event in events if event[0] > after][:1]})

        service.answers[f"GET {JOB}/events"] = answer

    return tell


class TestVerbs:
    @pytest.mark.parametrize(("verb", "state"), [("pause", "pausing"), ("resume", "queued"), ("cancel", "cancelling")])
    def test_change_the_job_at_hand(self, service, client, canned, job_body, verb, state):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {JOB}/{verb}"] = canned(job_body(state=state))
        job = client.job(JOB_ID)
        assert getattr(job, verb)() is job
        assert job.state == state
        assert len(service.sent("POST", f"{JOB}/{verb}")) == 1

    def test_retry_gives_a_new_job(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body(state="failed"))
        service.answers[f"POST {JOB}/retry"] = canned(job_body(id="job_2", state="queued"), 202)
        job = client.job(JOB_ID)
        assert job.retry().id == "job_2"
        assert job.id == JOB_ID

    def test_clone_sends_changes_and_gives_a_new_job(self, service, client, canned, job_body):
        service.answers[f"GET {JOB}"] = canned(job_body())
        service.answers[f"POST {JOB}/clone"] = canned(job_body(id="job_2", state="queued"), 202)
        made = client.job(JOB_ID).clone(epochs=20, optimizer={"weight_decay": 0.001}, early_stopping=None, self=1)
        assert made.id == "job_2"
        (request,) = service.sent("POST", f"{JOB}/clone")
        assert json.loads(request.body) == {
            "epochs": 20,
            "optimizer": {"weight_decay": 0.001},
            "early_stopping": None,
            "self": 1,  # for the service to refuse
        }


class TestWait:
    def test_returns_where_the_job_is_paused(self, service, client, canned, job_body):
        states = ["running", "pausing", "paused"]
        service.answers[f"GET {JOB}"] = [canned(job_body(state=state)) for state in states]
        job = client.job(JOB_ID).wait()
        assert (job.is_paused, job.has_ended) == (True, False)

    def test_a_pause_heard_of_long_ago_may_be_over(self, service, client, canned, job_body):
        states = ["paused", "running", "succeeded"]
        service.answers[f"GET {JOB}"] = [canned(job_body(state=state)) for state in states]
        job = client.job(JOB_ID)
        assert job.is_paused
        assert job.wait().state == "succeeded"

    def test_through_pauses_to_the_end(self, service, client, canned, job_body):
        states = ["running", "paused", "running", "succeeded"]
        service.answers[f"GET {JOB}"] = [canned(job_body(state=state)) for state in states]
        assert client.job(JOB_ID).wait(through_pauses=True).state == "succeeded"


class TestEvents:
    def test_end_where_the_job_is_paused_not_at_an_older_pause(self, service, client, canned, job_body, history):
        service.answers[f"GET {JOB}"] = canned(job_body(state="paused"))
        history(PAUSED_TWICE)
        assert [event.seq for event in client.job(JOB_ID).events()] == [1, 2, 3, 4, 5, 6, 7]
        assert len(service.sent("GET", f"{JOB}/events")) == 3  # one stream, and a look behind each pause

    def test_there_are_none_behind_the_pause(self, service, client, canned, job_body, history):
        service.answers[f"GET {JOB}"] = canned(job_body(state="paused"))
        history(PAUSED_TWICE)
        assert list(client.job(JOB_ID).events(after=7)) == []

    def test_go_on_once_it_was_resumed(self, service, client, canned, job_body, history):
        service.answers[f"GET {JOB}"] = canned(job_body(state="cancelled"))
        history(PAUSED_TWICE + END)
        assert [event.seq for event in client.job(JOB_ID).events(after=7)] == [8, 9]

    def test_through_pauses_to_the_end(self, service, client, canned, job_body, history):
        service.answers[f"GET {JOB}"] = canned(job_body(state="paused"))
        history(PAUSED_TWICE + END)
        assert [event.seq for event in client.job(JOB_ID).events(through_pauses=True)][-1] == 9
        assert len(service.sent("GET", f"{JOB}/events")) == 1

    def test_a_look_that_fails_is_taken_again(self, service, canned, job_body, history):
        busy = canned({"title": "Busy", "code": "unavailable"}, 503)
        service.answers[f"GET {JOB}"] = [canned(job_body()), busy, busy, canned(job_body(state="paused"))]
        history(PAUSED_TWICE[:3])
        with Client(service.url, patience=0) as impatient:
            assert [event.seq for event in impatient.job(JOB_ID).events()] == [1, 2, 3]
