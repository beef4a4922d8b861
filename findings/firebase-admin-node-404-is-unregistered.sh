#!/bin/sh
# firebase-admin 14.5.1 for Node names every 404 "token not registered" and every 403 "mismatched credential".
#
# Expected: FCM's error code stands in `error.details[]` of the answer, as an FcmError: UNREGISTERED, SENDER_ID_MISMATCH.
#   The guide asks to delete a token on `messaging/registration-token-not-registered`. A refusal that holds no FcmError
#   (a project that does not exist, a role that is missing, an API that is switched off) says nothing about a token.
# Seen: without an FcmError the library goes by the answer's status alone. NOT_FOUND of a project is told as
#   `registration-token-not-registered`, and PERMISSION_DENIED of a role as `mismatched-credential`: an application that
#   deletes tokens as the guide says loses all of them to one wrong project id.
. "$(dirname "$0")/lib/finding.sh"

with_node firebase-admin@14.5.1
node <<'NODE'
const http2 = require("http2");

const FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const ANSWERS = {
    "404, FcmError UNREGISTERED": [404, "NOT_FOUND", [{ "@type": FCM_ERROR, errorCode: "UNREGISTERED" }]],
    "404, no such project": [404, "NOT_FOUND", []],
    "403, FcmError SENDER_ID_MISMATCH": [403, "PERMISSION_DENIED", [{ "@type": FCM_ERROR, errorCode: "SENDER_ID_MISMATCH" }]],
    "403, a role is missing": [403, "PERMISSION_DENIED", []],
};

let answer;
const server = http2.createServer();
server.on("stream", (stream) => {
    const [code, status, details] = answer;
    stream.resume();
    stream.on("end", () => {
        stream.respond({ ":status": code, "content-type": "application/json" });
        stream.end(JSON.stringify({ error: { code, status, message: "made up", details } }));
    });
});

server.listen(0, "127.0.0.1", async () => {
    // FCM's host is fixed in the library; and Node's server refuses the scheme that it sends (see its own finding).
    const connect = http2.connect;
    http2.connect = (_authority, ...rest) => {
        const session = connect(`http://127.0.0.1:${server.address().port}`, ...rest);
        const request = session.request.bind(session);
        session.request = (headers, ...more) => request({ ...headers, ":scheme": "http" }, ...more);
        return session;
    };
    const { initializeApp } = require("firebase-admin/app");
    const { getMessaging } = require("firebase-admin/messaging");
    const credential = { getAccessToken: async () => ({ access_token: "made-up", expires_in: 3600 }) };
    const messaging = getMessaging(initializeApp({ projectId: "demo", credential }));
    for (const [name, each] of Object.entries(ANSWERS)) {
        answer = each;
        const { responses } = await messaging.sendEach([{ token: "made-up", data: { key: "value" } }]);
        console.log(`${name.padEnd(34)}${responses[0].error.code}`);
    }
    process.exit(0);
});
NODE
as_stated <<'SEEN'
404, FcmError UNREGISTERED        messaging/registration-token-not-registered
404, no such project              messaging/registration-token-not-registered
403, FcmError SENDER_ID_MISMATCH  messaging/mismatched-credential
403, a role is missing            messaging/mismatched-credential
SEEN
