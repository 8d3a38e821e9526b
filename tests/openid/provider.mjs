// A real OpenID Connect provider on loopback: tests/integration/serve/test_openid.py starts it with node.
// It writes its issuer as one line. Then it reads one line of JSON: module (the URL of oidc-provider), back (redirect URIs), after (where a sign-out leads),
// client_secret ("" for a public client), people (claims by login) and in_token (whether the ID token has the claims, else userinfo has them).
// It writes "ready", and ends when standard input does.
import http from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";

const server = http.createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
process.stdout.write(`${issuer}\n`);

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
const setting = JSON.parse(await new Promise((resolve) => lines.once("line", resolve)));
const { default: Provider } = await import(setting.module);

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "changerail",
      redirect_uris: setting.back,
      post_logout_redirect_uris: setting.after,
      ...(setting.client_secret
        ? { client_secret: setting.client_secret }
        : { token_endpoint_auth_method: "none" }),
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  conformIdTokenClaims: !setting.in_token,
  findAccount: (_context, login) => ({ accountId: login, claims: () => ({ sub: login, ...setting.people[login] }) }),
  pkce: { required: () => true },
  // Its own form of development asks for a login and then for consent.
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  cookies: { keys: ["of the tests"] },
});

server.on("request", provider.callback());
process.stdout.write("ready\n");
