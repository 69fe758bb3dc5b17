// The first steps, with the client that orval makes for fetch: one function for each operation, its result by status.
import assert from "node:assert/strict";
import * as wk from "./watchkeeper";

const { WATCHKEEPER_URL = "", EMAIL: email = "", PASSWORD: password = "", ...given } = process.env;
const UP = 1;

// What orval makes asks for paths; an application gives it a function of its own (`mutator`) or, as here, a `fetch`.
const { fetch } = globalThis;
globalThis.fetch = (address, init) => fetch(new URL(String(address), WATCHKEEPER_URL), init);

function by(token: string): RequestInit {
  return { headers: { Authorization: `Bearer ${token}` } };
}

type Data<R, S> = R extends { status: S; data: infer D } ? D : never;

/** What a call gave, which has to have been answered with this status. */
async function of<R extends { status: number; data?: unknown }, S extends number>(status: S, call: Promise<R>) {
  const reply = await call;
  assert.equal(reply.status, status, JSON.stringify(reply));
  return reply.data as Data<R, S>;
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
const user = await of(201, wk.register({ email, password, setup_token: given.SETUP_TOKEN ?? "" }));
assert.ok(user.is_admin);
const tokens = await of(200, wk.login({ email, password }));
const { key } = await of(201, wk.createApiKey({ name: "first steps", role: "admin" }, by(tokens.access_token)));
const us = by(key);

// A channel, tested.
const webhook = { url: given.RECEIVER_URL ?? "" };
const channel = await of(
  201,
  wk.createChannel({ type: "webhook", name: "Receiver", config: webhook, is_default: true }, us),
);
assert.ok((await of(200, wk.testChannel(channel.id, us))).ok);

// A monitor that is up.
function add(name: string, url: string) {
  return of(201, wk.createMonitor({ type: "http", name, interval: 5, config: { url } }, us));
}

async function isUp(id: string): Promise<boolean> {
  return (await of(200, wk.getMonitor(id, us))).status === UP;
}

const good = await add("Website", given.WATCHED_URL ?? "");
await until("the monitor is up", () => isUp(good.id));
const beats = await of(200, wk.listMonitorHeartbeats(good.id, undefined, us));
assert.ok("heartbeats" in beats && beats.heartbeats[0]?.status === UP);
const renamed = await of(200, wk.updateMonitor(good.id, { name: "Our website" }, us));
assert.deepEqual([renamed.name, renamed.interval], ["Our website", 5]);

// One that is down: its incident is acknowledged, and the channel was alerted.
async function incidents(status: wk.IncidentStatus): Promise<string[]> {
  const found = await of(200, wk.listIncidents({ status }, us));
  assert.ok("incidents" in found);
  return found.incidents.map((one) => one.id);
}

async function isAlerted(): Promise<boolean> {
  const found = await of(200, wk.listDeliveries({ event: "monitor.down", state: "sent" }, us));
  return "deliveries" in found && found.total === 1;
}

await add("Broken", given.BROKEN_URL ?? "");
await until("there is an incident", async () => (await incidents("open")).length === 1);
const [incident = ""] = await incidents("open");
assert.equal((await of(200, wk.acknowledgeIncident(incident, us))).status, "acknowledged");
assert.deepEqual(await incidents("acknowledged"), [incident]);
await until("the receiver was alerted", isAlerted);

// A job that reports by itself.
const backup = { type: "push", name: "Backup", interval: 3600, config: {} } as const;
const job = await of(201, wk.createMonitor(backup, us));
assert.ok(job.config.type === "push" && job.config.token);
assert.ok((await of(200, wk.pushHeartbeat(job.config.token, { msg: "42 files" }))).ok);
await until("the job reported", () => isUp(job.id));

// Everything is removed again.
const everything = await of(200, wk.listMonitors(undefined, us));
assert.ok("monitors" in everything);
assert.deepEqual(everything.monitors.map((one) => one.name).sort(), ["Backup", "Broken", "Our website"]);
for (const { id } of everything.monitors) {
  await of(204, wk.deleteMonitor(id, us));
}
await of(204, wk.deleteChannel(channel.id, us));
const rest = await of(200, wk.listMonitors(undefined, us));
assert.equal("total" in rest && rest.total, 0);
assert.equal((await of(404, wk.getMonitor(good.id, us))).error.code, "RESOURCE_NOT_FOUND");
console.log("done");
