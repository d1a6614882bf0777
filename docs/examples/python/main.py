# Copyright The sfs-operator Authors.
# SPDX-License-Identifier: Apache-2.0

"""An application that lists the users of its SFS client, once for each line that it reads. Needs Python 3.8 or later.

    python3 docs/examples/python/main.py
"""

import json
import os
import sys
import urllib.error
import urllib.request

# Where the token Secret is mounted.
DIR = os.environ.get("SFS_TOKEN_DIR", "/var/run/sfs")


def read(key):
    with open(os.path.join(DIR, key), encoding="ascii") as file:
        return file.read().strip()


def send(token, endpoint, data):
    """Returns the status and the body of the answer."""
    request = urllib.request.Request(
        f"{read('baseURL')}/{endpoint}",
        data=json.dumps({"data": data}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # Unredirected: SFS sends no redirect, and the token is for nobody else.
    request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode().strip()


def call(endpoint, data):
    token = read("token")  # for each request: it is replaced every 20 minutes
    status, answer = send(token, endpoint, data)
    if status != 401:
        return status, answer
    newer = read("token")  # it may have been replaced, and revoked, meanwhile
    if newer == token:
        return status, answer
    return send(newer, endpoint, data)


for _ in sys.stdin:
    print(*call("user", {"action": "list"}), flush=True)
