// The first steps, with the TypeScript client that openapi-generator makes: one class for each tag.
import assert from "node:assert/strict";
import * as wk from "./watchkeeper/index.js";

const { WATCHKEEPER_URL: basePath = "", EMAIL: email = "", PASSWORD: password = "", ...given } = process.env;

function signedIn(accessToken?: string): wk.Configuration {
  return new wk.Configuration({ basePath, accessToken });
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
const auth = new wk.AuthApi(signedIn());
const user = await auth.register({ registration: { email, password, setupToken: given.SETUP_TOKEN ?? "" } });
assert.ok(user.isAdmin);
const tokens = await auth.login({ login: { email, password } });
const keys = new wk.APIKeysApi(signedIn(tokens.accessToken));
const { key } = await keys.createApiKey({ apiKeyDraft: { name: "first steps", role: "admin" } });
const us = signedIn(key);
const monitors = new wk.MonitorsApi(us);
const channels = new wk.NotificationChannelsApi(us);
const outages = new wk.IncidentsApi(us);

// A channel, tested.
const webhook = { url: given.RECEIVER_URL ?? "" };
const channel = await channels.createChannel({
  channelDraft: { type: "webhook", name: "Receiver", config: webhook, isDefault: true },
});
assert.ok((await channels.testChannel({ channelId: channel.id })).ok);

// A monitor that is up.
function add(name: string, url: string): Promise<wk.Monitor> {
  const config = { url };
  return monitors.createMonitor({ monitorDraft: { type: "http", name, interval: 5, config } });
}

async function isUp(monitorId: string): Promise<boolean> {
  return (await monitors.getMonitor({ monitorId })).status === wk.Status.UP;
}

const good = await add("Website", given.WATCHED_URL ?? "");
await until("the monitor is up", () => isUp(good.id));
const beats = await new wk.HeartbeatsApi(us).listMonitorHeartbeats({ monitorId: good.id });
assert.ok("heartbeats" in beats && beats.heartbeats[0]?.status === wk.Status.UP);
const renamed = await monitors.updateMonitor({ monitorId: good.id, monitorPatch: { name: "Our website" } });
assert.deepEqual([renamed.name, renamed.interval], ["Our website", 5]);

// One that is down: its incident is acknowledged, and the channel was alerted.
async function incidents(status: wk.IncidentStatus): Promise<string[]> {
  const found = await outages.listIncidents({ status });
  assert.ok("incidents" in found);
  return found.incidents.map((one) => one.id);
}

async function isAlerted(): Promise<boolean> {
  const found = await new wk.DeliveriesApi(us).listDeliveries({ event: "monitor.down", state: "sent" });
  return "deliveries" in found && found.total === 1;
}

await add("Broken", given.BROKEN_URL ?? "");
await until("there is an incident", async () => (await incidents("open")).length === 1);
const [incidentId = ""] = await incidents("open");
assert.equal((await outages.acknowledgeIncident({ incidentId })).status, "acknowledged");
assert.deepEqual(await incidents("acknowledged"), [incidentId]);
await until("the receiver was alerted", isAlerted);

// A job that reports by itself.
const job = await monitors.createMonitor({
  monitorDraft: { type: "push", name: "Backup", interval: 3600, config: {} },
});
assert.ok(job.config.type === "push" && job.config.token);
const { token } = job.config;
assert.ok((await new wk.PushApi(signedIn()).pushHeartbeat({ token, msg: "42 files" })).ok);
await until("the job reported", () => isUp(job.id));

// Everything is removed again.
const everything = await monitors.listMonitors();
assert.ok("monitors" in everything);
assert.deepEqual(everything.monitors.map((one) => one.name).sort(), ["Backup", "Broken", "Our website"]);
for (const { id: monitorId } of everything.monitors) {
  await monitors.deleteMonitor({ monitorId });
}
await channels.deleteChannel({ channelId: channel.id });
const rest = await monitors.listMonitors();
assert.equal("total" in rest && rest.total, 0);
await assert.rejects(monitors.getMonitor({ monitorId: good.id }), (error: wk.ResponseError) => {
  return error.response.status === 404;
});
console.log("done");
