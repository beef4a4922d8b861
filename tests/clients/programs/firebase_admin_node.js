// An unmodified firebase-admin, told only where FCM is: `node … URL SERVICE_ACCOUNT TOKEN…`, a JSON line out.
const [url, , ...tokens] = process.argv.slice(2);
const http2 = require("http2");
const connect = http2.connect;
http2.connect = (_authority, ...rest) => connect(url, ...rest);

const { initializeApp } = require("firebase-admin/app");
const { getMessaging } = require("firebase-admin/messaging");

const credential = { getAccessToken: async () => ({ access_token: "made-up", expires_in: 3600 }) };
const app = initializeApp({ projectId: "demo", credential });
const messages = tokens.map((token) => ({ token, notification: { title: "종", body: "🔔" }, data: { a: "b" } }));
getMessaging(app).sendEach(messages).then(({ responses }) => {
    console.log(JSON.stringify(responses.map((each) => each.messageId ?? each.error.code)));
    process.exit(0);
});
