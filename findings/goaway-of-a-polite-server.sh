#!/bin/sh
# After an HTTP/2 server's polite GOAWAY httpx 0.28.1 fails requests that the server took and answered, and aioapns 4.0
# sends each of them a second time; libcurl 8.23.0 gets every answer.
#
# Expected: by RFC 9113 a GOAWAY with NO_ERROR names the last request that the server has taken; those up to it go on
#   and are answered. A push service closes a connection so from time to time, and nothing is lost or repeated.
# Seen: five POSTs are in flight, GOAWAY says that all five were taken, and then come five answers with status 200.
# - httpx (httpcore 1.0.9) raises RemoteProtocolError for all five. firebase-admin's `send_each_async` is built on it:
#   its caller is told of five failures, and may push five devices again.
# - aioapns closes the connection without reading on, sends all five again on a new one, and tells five successes: each
#   device got two pushes, and nothing says so but the log of a lost connection.
. "$(dirname "$0")/lib/finding.sh"

with_python httpx==0.28.1 httpcore==1.0.9 h2==4.4.1 aioapns==4.0 pycurl==7.49.0 cryptography==50.0.2
export FOLDER="$folder"
python 2>"$folder/log" <<'PYTHON'
import asyncio
import os
import ssl
from collections import Counter
from pathlib import Path

import aioapns
import aioapns.connection
import httpx
import pycurl
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from push_server import PushServer

DEVICES = [f"device-{number}" for number in range(5)]


async def with_httpx(server):
    trusted = ssl.create_default_context(cafile=server.certificate)
    async with httpx.AsyncClient(http2=True, verify=trusted) as client:
        url = f"https://127.0.0.1:{server.port}/"
        posts = [client.post(url, content=device) for device in DEVICES]
        told = await asyncio.gather(*posts, return_exceptions=True)
    return [getattr(one, "status_code", type(one).__name__) for one in told]


async def with_aioapns(server):
    # Its host and port cannot be chosen otherwise.
    aioapns.connection.APNsDevelopmentClientProtocol.APNS_SERVER = "127.0.0.1"
    aioapns.connection.APNsTLSClientProtocol.APNS_PORT = server.port
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    client = aioapns.APNs(
        key=key.decode(),
        key_id="KEY",
        team_id="TEAM",
        topic="test.app",
        use_sandbox=True,
        ssl_context=ssl.create_default_context(cafile=server.certificate),
    )
    requests = [aioapns.NotificationRequest(device, {"aps": {"alert": "Hello"}}, device) for device in DEVICES]
    told = await asyncio.gather(*map(client.send_notification, requests))
    return [int(one.status) for one in told]


async def with_libcurl(server):
    multi, told = pycurl.CurlMulti(), []
    for device in DEVICES:
        transfer = pycurl.Curl()
        transfer.setopt(pycurl.URL, f"https://127.0.0.1:{server.port}/")
        transfer.setopt(pycurl.CAINFO, str(server.certificate))
        transfer.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        transfer.setopt(pycurl.PIPEWAIT, 1)
        transfer.setopt(pycurl.POSTFIELDS, device)
        transfer.setopt(pycurl.WRITEFUNCTION, lambda _: None)
        transfer.setopt(pycurl.TIMEOUT, 20)
        multi.add_handle(transfer)
    running = len(DEVICES)
    while running:
        multi.select(0.1)
        _, running = multi.perform()
    _, ended, failed = multi.info_read()
    told = [transfer.getinfo(pycurl.RESPONSE_CODE) for transfer in ended]
    return told + [text for _, _, text in failed]


def count(values):
    return ", ".join(f"{times} x {value}" for value, times in Counter(values).items())


async def main():
    for name, send in (("httpx", with_httpx), ("aioapns", with_aioapns), ("libcurl", with_libcurl)):
        server = PushServer(Path(os.environ["FOLDER"]), goaway_after=len(DEVICES))
        told = await send(server)
        print(f"{name:<8} told: {count(told)}; the server took: {count(sorted(server.taken.elements()))}")


asyncio.run(main())
PYTHON
as_stated <<'SEEN'
httpx    told: 5 x RemoteProtocolError; the server took: 1 x device-0, 1 x device-1, 1 x device-2, 1 x device-3, 1 x device-4
aioapns  told: 5 x 200; the server took: 2 x device-0, 2 x device-1, 2 x device-2, 2 x device-3, 2 x device-4
libcurl  told: 5 x 200; the server took: 1 x device-0, 1 x device-1, 1 x device-2, 1 x device-3, 1 x device-4
SEEN
