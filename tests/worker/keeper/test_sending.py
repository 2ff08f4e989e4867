"""One attempt to deliver: signed, to exactly the address that was checked, and bounded whatever the receiver does."""

import ipaddress
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.webhooks.due import Due
from worker.keeper.sending import Sender

PAYLOAD = '{"type":"job.succeeded","data":{"name":"\\u00e9"}}'


@pytest.fixture
def due_to(secret):
    def make(url, **facts):
        usual = {"id": "dlv_x", "fence": 1, "attempt": 1, "webhook_id": "whk_x", "secret": secret}
        return Due(**usual | {"url": url, "event_id": "evt_x", "payload": PAYLOAD} | facts)

    return make


@pytest.fixture
def sender():
    return Sender(private_allowed=True)


@pytest.fixture
def certificate(tmp_path):
    """A certificate that signs itself, for these names; returns the server's context and the file."""

    def make(*names):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / "certificate.pem"
        pem = serialization.Encoding.PEM
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context, file

    return make


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class TestRequest:
    def test_verifies_with_the_standards_own_library(self, receiver, sender, due_to):
        outcome = sender.send(due_to(receiver.url))
        assert (outcome.status, outcome.error, outcome.is_delivered) == (204, None, True)
        assert outcome.milliseconds < 5000
        [arrival] = receiver.arrived  # it keeps only what it could verify
        assert arrival.body == PAYLOAD.encode()
        assert arrival.verified["data"] == {"name": "é"}
        assert arrival.path == "/hook?token=1"
        assert arrival.headers["Content-Type"] == "application/json"
        assert arrival.headers["webhook-id"] == "evt_x"
        assert abs(int(arrival.headers["webhook-timestamp"]) - time.time()) < 5

    def test_another_secret_does_not_verify(self, receiver, sender, due_to):
        assert not sender.send(due_to(receiver.url, secret="whsec_" + "QUFB" * 8)).is_delivered
        assert receiver.arrived == []

    def test_under_the_name_though_to_the_address(self, receiver, due_to):
        asked = []

        def resolve(host, port):
            asked.append((host, port))
            return ["127.0.0.1"]

        sender = Sender(private_allowed=True, resolve=resolve)
        assert sender.send(due_to(f"http://Hooks.Example.com:{receiver.port}/")).is_delivered
        assert asked == [("hooks.example.com", receiver.port)]
        assert receiver.arrived[0].headers["Host"] == f"hooks.example.com:{receiver.port}"

    def test_to_the_next_address_where_nobody_listens(self, receiver, due_to):
        sender = Sender(private_allowed=True, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert sender.send(due_to(f"http://two.example:{receiver.port}/")).is_delivered

    def test_no_proxy_of_the_environment(self, receiver, sender, due_to, monkeypatch, free_port):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
        assert sender.send(due_to(receiver.url)).is_delivered


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "words"),
        [(301, "redirects are not followed"), (307, "redirects are not followed"), (404, "It answered 404"),
         (410, "the webhook is disabled"), (429, "It answered 429"), (500, "It answered 500")],
    )  # fmt: skip
    def test_other_than_2xx_are_not_delivered(self, receiver, sender, due_to, status, words):
        receiver.answers = [status]
        outcome = sender.send(due_to(receiver.url))
        assert (outcome.status, outcome.is_delivered) == (status, False)
        assert words in outcome.error
        assert len(receiver.arrived) == 1  # a redirect was not followed

    @pytest.mark.parametrize(
        ("asked", "seconds"),
        [("120", 120), ("0", 0), (" 7 ", 7), ("9" * 5000, 999_999_999)],
        ids=["seconds", "now", "with spaces", "for ever"],
    )
    def test_say_when_to_come_again(self, receiver, sender, due_to, asked, seconds):
        receiver.answers = [receiver.busy(asked)]
        outcome = sender.send(due_to(receiver.url))
        assert (outcome.status, outcome.error) == (503, "It answered 503.")
        assert outcome.retry_after == timedelta(seconds=seconds)

    def test_say_a_date_to_come_again(self, receiver, sender, due_to):
        receiver.answers = [receiver.busy(format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True))]
        outcome = sender.send(due_to(receiver.url))
        assert outcome.retry_after == pytest.approx(timedelta(days=2), abs=timedelta(seconds=20))

    @pytest.mark.parametrize(
        "asked",
        ["", "soon", "-5", "1.5", "²", "Wed, 00 Oct 2015 99:99:99 GMT", f"1 Jan {'9' * 30} 00:00"],
        ids=["nothing", "a word", "negative", "a fraction", "other digits", "no such date", "no such year"],
    )
    def test_say_so_in_a_way_that_means_nothing(self, receiver, sender, due_to, asked):
        receiver.answers = [receiver.busy(asked)]
        outcome = sender.send(due_to(receiver.url))
        assert (outcome.status, outcome.retry_after) == (503, None)

    @pytest.mark.parametrize("way", ["hang", "drip"])
    def test_slow_ones_are_given_up(self, receiver, due_to, way):
        receiver.answers = [getattr(receiver, way)]
        began = time.monotonic()
        outcome = Sender(private_allowed=True, total_seconds=0.5).send(due_to(receiver.url))
        assert 0.4 < time.monotonic() - began < 5
        assert (outcome.status, outcome.error) == (None, "There was no whole answer within 0.5 s.")

    def test_an_endless_body_is_not_read(self, receiver, sender, due_to):
        receiver.answers = [receiver.flood]
        began = time.monotonic()
        assert sender.send(due_to(receiver.url)).is_delivered
        assert time.monotonic() - began < 5

    def test_nonsense_instead_of_http(self, receiver, sender, due_to):
        receiver.answers = [lambda request: request.wfile.write(b"hello\r\n\r\n")]
        outcome = sender.send(due_to(receiver.url))
        assert outcome.status is None
        assert "There was no answer" in outcome.error

    def test_nobody_listens(self, sender, due_to, free_port):
        outcome = sender.send(due_to(f"http://127.0.0.1:{free_port}/"))
        assert (outcome.status, outcome.is_delivered) == (None, False)
        assert outcome.error == "There was no answer: Connection refused."


class TestGuard:
    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "10.0.0.1", "169.254.169.254"]
    )
    def test_names_of_private_addresses(self, receiver, due_to, address):
        sender = Sender(private_allowed=False, resolve=lambda *_: ["8.8.8.8", address])
        outcome = sender.send(due_to(f"https://rebind.example:{receiver.port}/"))
        assert outcome.error == "The name of its host stands for an address that is not public."
        assert receiver.arrived == []

    def test_a_name_that_changes_between_check_and_connection(self, start_receiver, certificate, due_to, monkeypatch):
        """The first answer is the checked one and the one that is used; nobody asks again."""
        tls, file = certificate("rebind.example")
        receiver = start_receiver(tls)
        monkeypatch.setattr("app.webhooks.addresses.is_public", lambda address: str(address) == "127.0.0.1")
        answers = iter([["127.0.0.1"], ["10.9.9.9"]])
        sender = Sender(
            private_allowed=False,
            resolve=lambda *_: next(answers),
            trust=ssl.create_default_context(cafile=file),
        )
        due = due_to(f"https://rebind.example:{receiver.port}/")
        asked = []
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: asked.append(host) or real(host, *rest))
        assert sender.send(due).is_delivered
        assert asked == []  # no other part of the program looked the name up
        assert sender.send(due).error == "The name of its host stands for an address that is not public."
        assert len(receiver.arrived) == 1

    def test_one_that_was_allowed_when_it_was_made(self, receiver, due_to):
        for url in (receiver.url, f"https://127.0.0.1:{receiver.port}/"):
            assert Sender(private_allowed=False).send(due_to(url)).status is None
        assert receiver.arrived == []

    def test_a_name_that_is_not_known(self, due_to):
        def resolve(host, port):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        outcome = Sender(private_allowed=False, resolve=resolve).send(due_to("https://nope.example/"))
        assert outcome.error == "The name of its host cannot be looked up: Name or service not known."

    def test_a_lookup_that_hangs(self, due_to):
        over = threading.Event()
        sender = Sender(private_allowed=False, resolve=lambda *_: [str(over.wait(30))], total_seconds=0.3)
        began = time.monotonic()
        outcome = sender.send(due_to("https://slow.example/"))
        over.set()
        assert "within 0.3 s" in outcome.error
        assert time.monotonic() - began < 5


class TestCertificates:
    def test_one_that_signed_itself_is_refused(self, start_receiver, certificate, sender, due_to):
        receiver = start_receiver(certificate("127.0.0.1")[0])
        outcome = sender.send(due_to(receiver.url))
        assert outcome.error == "Its certificate is not trusted: self-signed certificate."
        assert receiver.arrived == []

    def test_must_be_for_the_name_not_for_the_address(self, start_receiver, certificate, due_to):
        tls, file = certificate("127.0.0.1")
        receiver = start_receiver(tls)
        trust = ssl.create_default_context(cafile=file)
        sender = Sender(private_allowed=True, resolve=lambda *_: ["127.0.0.1"], trust=trust)
        outcome = sender.send(due_to(f"https://hooks.example:{receiver.port}/"))
        assert "not valid for 'hooks.example'" in outcome.error
        assert receiver.arrived == []

    @pytest.mark.parametrize("host", ["hooks.example", "hooks.example."])
    def test_the_name_is_sent_in_the_handshake(self, start_receiver, certificate, due_to, host):
        tls, file = certificate("hooks.example")
        names = []
        tls.sni_callback = lambda connection, name, context: names.append(name)
        receiver = start_receiver(tls)
        trust = ssl.create_default_context(cafile=file)
        sender = Sender(private_allowed=True, resolve=lambda *_: ["127.0.0.1"], trust=trust)
        assert sender.send(due_to(f"https://{host}:{receiver.port}/")).is_delivered
        assert names == ["hooks.example"]

    def test_those_of_the_operators_own(self, start_receiver, certificate, due_to, monkeypatch):
        tls, file = certificate("127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        receiver = start_receiver(tls)
        assert Sender(private_allowed=True).send(due_to(receiver.url)).is_delivered
        with pytest.raises(httpx.ConnectError):
            httpx.post(receiver.url, verify=True, trust_env=False)
