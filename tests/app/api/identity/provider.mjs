// A certified OpenID provider for the tests: `node provider.mjs <directory with node_modules> <port> <redirect uri>`.
import { pathToFileURL } from "node:url";

const [directory, port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${directory}/node_modules/oidc-provider/lib/index.js`));

// Who may be typed into its sign-in form, with any password.
const PEOPLE = {
  ada: { email: "ada@example.org", email_verified: true, preferred_username: "Ada L", realm: { roles: ["staff", "wk-admins"] } },
  bob: { email: "bob@example.org", email_verified: true, preferred_username: "bob", realm: { roles: ["wk-operators"] } },
  carl: { email: "carl@example.org", email_verified: true, realm: { roles: [] } },
  mallory: { email: "ada@example.org", email_verified: false, realm: { roles: ["wk-admins"] } },
  nobody: { realm: { roles: ["wk-admins"] } },
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "watchkeeper", client_secret: "a secret: 100% + more", redirect_uris: [redirect] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username", "realm"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
  cookies: { keys: ["of the tests"] },
  pkce: { required: () => true },
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
