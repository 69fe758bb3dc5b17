// The first steps, with the types that openapi-typescript makes and the client openapi-fetch.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./watchkeeper.js";

const { WATCHKEEPER_URL: baseUrl = "", EMAIL: email = "", PASSWORD: password = "", ...given } = process.env;
const UP = 1;

function client(token?: string) {
  return createClient<paths>({ baseUrl, headers: token ? { Authorization: `Bearer ${token}` } : {} });
}

/** What a call gave, which has to have succeeded. */
async function of<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<T> {
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
const nobody = client();
const setup_token = given.SETUP_TOKEN ?? "";
const user = await of(nobody.POST("/api/v1/auth/register", { body: { email, password, setup_token } }));
assert.ok(user.is_admin);
const tokens = await of(nobody.POST("/api/v1/auth/login", { body: { email, password } }));
const person = client(tokens.access_token);
const { key } = await of(person.POST("/api/v1/api-keys", { body: { name: "first steps", role: "admin" } }));
const { DELETE, GET, PATCH, POST } = client(key);

// A channel, tested.
const webhook = { url: given.RECEIVER_URL ?? "" };
const channel = await of(
  POST("/api/v1/notification-channels", {
    body: { type: "webhook", name: "Receiver", config: webhook, is_default: true },
  }),
);
const channel_path = { channel_id: channel.id };
const tested = await of(POST("/api/v1/notification-channels/{channel_id}/test", { params: { path: channel_path } }));
assert.ok(tested.ok);

// A monitor that is up.
function add(name: string, url: string) {
  const config = { url };
  return of(POST("/api/v1/monitors", { body: { type: "http", name, interval: 5, config } }));
}

async function isUp(monitor_id: string): Promise<boolean> {
  const monitor = await of(GET("/api/v1/monitors/{monitor_id}", { params: { path: { monitor_id } } }));
  return monitor.status === UP;
}

const good = await add("Website", given.WATCHED_URL ?? "");
const good_path = { monitor_id: good.id };
await until("the monitor is up", () => isUp(good.id));
const beats = await of(GET("/api/v1/monitors/{monitor_id}/heartbeats", { params: { path: good_path } }));
assert.ok("heartbeats" in beats && beats.heartbeats[0]?.status === UP);
const renamed = await of(
  PATCH("/api/v1/monitors/{monitor_id}", { params: { path: good_path }, body: { name: "Our website" } }),
);
assert.deepEqual([renamed.name, renamed.interval], ["Our website", 5]);

// One that is down: its incident is acknowledged, and the channel was alerted.
async function incidents(status: "open" | "acknowledged"): Promise<string[]> {
  const found = await of(GET("/api/v1/incidents", { params: { query: { status } } }));
  assert.ok("incidents" in found);
  return found.incidents.map((one) => one.id);
}

async function isAlerted(): Promise<boolean> {
  const query = { event: "monitor.down", state: "sent" } as const;
  const found = await of(GET("/api/v1/deliveries", { params: { query } }));
  return "deliveries" in found && found.total === 1;
}

await add("Broken", given.BROKEN_URL ?? "");
await until("there is an incident", async () => (await incidents("open")).length === 1);
const [incident_id = ""] = await incidents("open");
const path = { incident_id };
const acknowledged = await of(POST("/api/v1/incidents/{incident_id}/acknowledge", { params: { path } }));
assert.equal(acknowledged.status, "acknowledged");
assert.deepEqual(await incidents("acknowledged"), [incident_id]);
await until("the receiver was alerted", isAlerted);

// A job that reports by itself.
const job = await of(
  POST("/api/v1/monitors", { body: { type: "push", name: "Backup", interval: 3600, config: {} } }),
);
assert.ok(job.config.type === "push" && job.config.token);
const { token } = job.config;
const pinged = await of(nobody.GET("/api/v1/push/{token}", { params: { path: { token }, query: { msg: "42 files" } } }));
assert.ok(pinged.ok);
await until("the job reported", () => isUp(job.id));

// Everything is removed again.
const everything = await of(GET("/api/v1/monitors"));
assert.ok("monitors" in everything);
assert.deepEqual(everything.monitors.map((one) => one.name).sort(), ["Backup", "Broken", "Our website"]);
for (const { id: monitor_id } of everything.monitors) {
  const { response } = await DELETE("/api/v1/monitors/{monitor_id}", { params: { path: { monitor_id } } });
  assert.equal(response.status, 204);
}
const removed = await DELETE("/api/v1/notification-channels/{channel_id}", { params: { path: channel_path } });
assert.equal(removed.response.status, 204);
const rest = await of(GET("/api/v1/monitors"));
assert.equal("total" in rest && rest.total, 0);
const gone = await GET("/api/v1/monitors/{monitor_id}", { params: { path: good_path } });
assert.equal(gone.error?.error.code, "RESOURCE_NOT_FOUND");
console.log("done");
