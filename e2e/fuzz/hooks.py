"""What Schemathesis cannot know of the hub."""

import itertools

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance
from urllib3.connection import HTTPConnection

# The hub limits the requests of an address: 200 at once, of which one that says wrongly who it is counts for ten. All of 127.0.0.0/8 is
# this machine, so every few requests are those of another client.
REQUESTS_OF_A_CLIENT = 15

_clients = itertools.count(1)
_connect, _request = HTTPConnection.connect, HTTPConnection.request


def connect(self):
    n = next(_clients)
    self.source_address = (f"127.{1 + n // 62500 % 250}.{n // 250 % 250}.{1 + n % 250}", 0)
    self.requests_made = 0
    return _connect(self)


def request(self, *args, **kwargs):
    if self.sock is not None:
        self.requests_made += 1
        if self.requests_made >= REQUESTS_OF_A_CLIENT:
            self.close()
    return _request(self, *args, **kwargs)


HTTPConnection.connect, HTTPConnection.request = connect, request

# What is well-formed may still be refused for what a schema cannot say: by status, what the problem says of it.
REFUSED = {
    400: ["the cursor is not of this list"],
    422: [
        # Two times, or a time and the clock.
        "it is not after from",
        "it is not after firstFrom",
        "it is not after since",
        "from is in the future",
        "are more than 366 days apart",
        # What the cluster has.
        "the cluster has no ",
        "the cluster has none of",
        # That at least one of two is given, and what is in objects, which are of any kind.
        "say what would change",
        "is no object of pac.weave.works",
    ],
}


@schemathesis.check
def agents_are_told_of_no_failure(ctx, response, case):
    """not_a_server_error of what agents send, but for what is newer than the hub."""
    assert response.status_code < 500 or response.status_code == 501, f"the hub answers {response.status_code}"


@schemathesis.check
def what_is_valid_is_answered(ctx, response, case):
    """positive_data_acceptance, but for what is refused with one of those reasons."""
    if case.path.startswith("/v1/intake") and response.status_code in (400, 403, 422):
        return None  # times, names and versions must make sense as well
    if response.headers.get("content-type", [""])[0] == "application/problem+json":
        problem = response.json()
        said = [problem.get("detail", "")] + [e.get("message", "") for e in problem.get("errors", [])]
        if any(reason in text for reason in REFUSED.get(response.status_code, []) for text in said):
            return None
    return positive_data_acceptance(ctx, response, case)
