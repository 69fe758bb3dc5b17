// The first steps, with the client that @hey-api/openapi-ts makes: one function for each operation.
import assert from "node:assert/strict";
import * as wk from "./watchkeeper";
import { createClient, createConfig } from "./watchkeeper/client";

const { WATCHKEEPER_URL: baseUrl = "", EMAIL: email = "", PASSWORD: password = "", ...given } = process.env;
const UP = 1;

/** A client with a token, which the generated functions send as what the document lists. */
function signedIn(auth?: string) {
  return createClient(createConfig<wk.ClientOptions>({ baseUrl, auth }));
}

/** What a call gave, which has to have succeeded. */
async function of<T>(call: Promise<{ data: T | undefined; error?: unknown }>): Promise<T> {
  const { data, error } = await call;
  assert.ok(data !== undefined, JSON.stringify(error));
  return data;
}

/** Ask until something is true, for a minute at most. */
async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, `not within a minute: ${what}`);
    await new Promise((done) => setTimeout(done, 200));
  }
  console.log(what);
}

// Sign up, sign in, and make a key.
const nobody = signedIn();
const setup_token = given.SETUP_TOKEN ?? "";
const user = await of(wk.register({ client: nobody, body: { email, password, setup_token } }));
assert.ok(user.is_admin);
const tokens = await of(wk.login({ client: nobody, body: { email, password } }));
const person = signedIn(tokens.access_token);
const { key } = await of(wk.createApiKey({ client: person, body: { name: "first steps", role: "admin" } }));
const client = signedIn(key);

// A channel, tested.
const webhook = { url: given.RECEIVER_URL ?? "" };
const channel = await of(
  wk.createChannel({ client, body: { type: "webhook", name: "Receiver", config: webhook, is_default: true } }),
);
const channel_path = { channel_id: channel.id };
assert.ok((await of(wk.testChannel({ client, path: channel_path }))).ok);

// A monitor that is up.
function add(name: string, url: string) {
  const config = { url };
  return of(wk.createMonitor({ client, body: { type: "http", name, interval: 5, config } }));
}

async function isUp(monitor_id: string): Promise<boolean> {
  return (await of(wk.getMonitor({ client, path: { monitor_id } }))).status === UP;
}

const good = await add("Website", given.WATCHED_URL ?? "");
const path = { monitor_id: good.id };
await until("the monitor is up", () => isUp(good.id));
const beats = await of(wk.listMonitorHeartbeats({ client, path }));
assert.ok("heartbeats" in beats && beats.heartbeats[0]?.status === UP);
const renamed = await of(wk.updateMonitor({ client, path, body: { name: "Our website" } }));
assert.deepEqual([renamed.name, renamed.interval], ["Our website", 5]);

// One that is down: its incident is acknowledged, and the channel was alerted.
async function incidents(status: wk.IncidentStatus): Promise<string[]> {
  const found = await of(wk.listIncidents({ client, query: { status } }));
  assert.ok("incidents" in found);
  return found.incidents.map((one) => one.id);
}

async function isAlerted(): Promise<boolean> {
  const found = await of(wk.listDeliveries({ client, query: { event: "monitor.down", state: "sent" } }));
  return "deliveries" in found && found.total === 1;
}

await add("Broken", given.BROKEN_URL ?? "");
await until("there is an incident", async () => (await incidents("open")).length === 1);
const [incident_id = ""] = await incidents("open");
const acknowledged = await of(wk.acknowledgeIncident({ client, path: { incident_id } }));
assert.equal(acknowledged.status, "acknowledged");
assert.deepEqual(await incidents("acknowledged"), [incident_id]);
await until("the receiver was alerted", isAlerted);

// A job that reports by itself.
const backup = { type: "push", name: "Backup", interval: 3600, config: {} } as const;
const job = await of(wk.createMonitor({ client, body: backup }));
assert.ok(job.config.type === "push" && job.config.token);
const { token } = job.config;
assert.ok((await of(wk.pushHeartbeat({ client: nobody, path: { token }, query: { msg: "42 files" } }))).ok);
await until("the job reported", () => isUp(job.id));

// Everything is removed again.
const everything = await of(wk.listMonitors({ client }));
assert.ok("monitors" in everything);
assert.deepEqual(everything.monitors.map((one) => one.name).sort(), ["Backup", "Broken", "Our website"]);
for (const { id: monitor_id } of everything.monitors) {
  assert.equal((await wk.deleteMonitor({ client, path: { monitor_id } })).response?.status, 204);
}
assert.equal((await wk.deleteChannel({ client, path: channel_path })).response?.status, 204);
const rest = await of(wk.listMonitors({ client }));
assert.equal("total" in rest && rest.total, 0);
assert.equal((await wk.getMonitor({ client, path })).error?.error.code, "RESOURCE_NOT_FOUND");
console.log("done");
