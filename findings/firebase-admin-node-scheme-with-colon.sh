#!/bin/sh
# firebase-admin 14.5.1 for Node sends `:scheme: https:`, and Node's own HTTP/2 server refuses it.
#
# Expected: `:scheme` is the scheme of the URI (RFC 9113, 8.3.1), `https`, whose grammar has no colon (RFC 3986, 3.1). A
#   client of a public API can be pointed at a test double, a proxy or a recorder that speaks the same protocol.
# Seen: `sendEach` sends `https:`, what JavaScript's `URL.protocol` is. Google's servers take it; Node's `http2` module (it
#   stands on nghttp2) resets every request with PROTOCOL_ERROR, and the library tells a network error without a word of
#   the cause. The same requests with `http` or `https` are taken.
. "$(dirname "$0")/lib/finding.sh"

with_node firebase-admin@14.5.1
node <<'NODE'
const http2 = require("http2");

const server = http2.createServer();
server.on("stream", (stream) => {
    stream.resume();
    stream.on("end", () => {
        stream.respond({ ":status": 200, "content-type": "application/json" });
        stream.end(JSON.stringify({ name: "projects/demo/messages/0:1" }));
    });
});

server.listen(0, "127.0.0.1", async () => {
    let sent;
    let mended;
    const connect = http2.connect;
    // FCM's host is fixed in the library.
    http2.connect = (_authority, ...rest) => {
        const session = connect(`http://127.0.0.1:${server.address().port}`, ...rest);
        const request = session.request.bind(session);
        session.request = (headers, ...more) => {
            sent = headers[":scheme"];
            return request(mended ? { ...headers, ":scheme": mended } : headers, ...more);
        };
        return session;
    };
    const { initializeApp } = require("firebase-admin/app");
    const { getMessaging } = require("firebase-admin/messaging");
    const credential = { getAccessToken: async () => ({ access_token: "made-up", expires_in: 3600 }) };
    const messaging = getMessaging(initializeApp({ projectId: "demo", credential }));
    for (mended of [undefined, "http", "https"]) {
        const { responses } = await messaging.sendEach([{ token: "made-up", data: { key: "value" } }]);
        const told = responses[0].messageId ?? /NGHTTP2_\w+/.exec(responses[0].error.message)[0];
        console.log(`:scheme ${(mended ?? sent).padEnd(8)}${told}`);
    }
    process.exit(0);
});
NODE
as_stated <<'SEEN'
:scheme https:  NGHTTP2_PROTOCOL_ERROR
:scheme http    projects/demo/messages/0:1
:scheme https   projects/demo/messages/0:1
SEEN
