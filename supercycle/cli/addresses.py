"""Addresses of the HTTP interface in what the service advises, turned into the commands that ask the same."""

import re

# Longer ones first: an address may begin another.
COMMANDS = {
    r'POST /v1/jobs {"kind": "dataset_import", "dataset": "([^"]*)"}': r"supercycle datasets import \1",
    r"POST …/cancel": "supercycle cancel JOB",
    r"POST …/retry": "supercycle retry JOB",
    r"GET /v1/architectures/custom": "supercycle architectures custom",
    r"GET /v1/architectures": "supercycle architectures",
    r"GET /v1/datasets/{id}": "supercycle datasets show DATASET",
    r"GET /v1/jobs\?parent_id=": "supercycle jobs --parent JOB",
}


def with_commands(advice: str) -> str:
    """`advice`, with commands for the addresses in it that have one."""
    for address, command in COMMANDS.items():
        advice = re.sub(address, f"`{command}`", advice)
    return advice
