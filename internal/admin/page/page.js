import { ask } from "./api.js";
import { Changes } from "./changes.js";
import { setPill, setText } from "./dom.js";
import { clock, count, duration, plural } from "./format.js";
import { Notice } from "./notice.js";
import { Services } from "./services.js";

const period = 1000; // milliseconds between two looks

const byId = (id) => document.getElementById(id);
const notice = new Notice(look);
const changes = new Changes(byId("events"));
const services = new Services(byId("services"), (wanted) => notice.change(wanted));

let looks = 0; // how many were begun: only the latest is shown
let seen = null; // {status, at} of the last look that succeeded
let lost = false; // whether the latest failed
let toDrain = 0; // the most connections that were live while draining

// look asks for everything once and shows it.
async function look() {
  const mine = ++looks;
  let answers;
  try {
    answers = await Promise.all([ask("api/status"), ask("api/backends")]);
  } catch (err) {
    if (mine === looks) showLost(err);
    return;
  }
  if (mine === looks) show(...answers);
}

// watch looks every period for as long as the page is open.
async function watch() {
  const began = performance.now();
  try {
    await look();
  } finally {
    setTimeout(watch, Math.max(0, period - (performance.now() - began)));
  }
}

function show(status, list) {
  const now = Date.parse(status.now);
  if (lost) services.interrupt();
  changes.update(now, status, list, lost);
  showHead(now, status, list);
  showReloads(status);
  showDrain(status);
  services.update(now, status, list);
  lost = false;
  seen = { status, at: Date.now() };
  byId("lost").hidden = true;
  document.body.classList.remove("stale");
}

function active(status) {
  return status.frontends.reduce((sum, f) => sum + f.active, 0);
}

function showHead(now, status, list) {
  const available = list.filter((b) => b.state === "up" && b.mode === "ready").length;
  const limit = status.connections_limit;
  if (status.draining) setPill(byId("state"), "drain", "Draining");
  else if (status.ready) setPill(byId("state"), "up", "Ready");
  else setPill(byId("state"), "down", "Not ready: no backend is up");
  setText(byId("version"), status.version);
  setText(byId("available"), `${count(available)} of ${count(list.length)}`);
  setText(byId("connections"), limit > 0 ? `${count(active(status))} of ${count(limit)}` : count(active(status)));
  setText(byId("uptime"), duration(now - Date.parse(status.started)));
  setText(byId("updated"), clock(now));
  showTrouble("accept-errors", status.accept_errors);
  showTrouble("log-lines-dropped", status.log_lines_dropped);
  document.title = `${available}/${list.length} available · fourseven`;
}

// showTrouble shows a count that is nothing to speak of while it is zero.
function showTrouble(id, n) {
  setText(byId(id), count(n));
  byId(id).parentElement.hidden = !n;
}

// showReloads shows the settings that were read again and refused, until they are taken.
function showReloads(status) {
  const refused = status.reloads.filter((r) => r.result === "refused");
  const text = refused.map((r) => `${r.setting} was read again at ${clock(Date.parse(r.at))} and refused: ${r.error}. The old value still holds.`);
  setText(byId("reload"), text.join(" "));
  byId("reload").hidden = refused.length === 0;
}

function showDrain(status) {
  const left = active(status);
  toDrain = status.draining ? Math.max(toDrain, left) : 0;
  byId("draining").hidden = !status.draining;
  setText(byId("drain-text"), status.draining ? `Draining: ${plural(left, "connection")} left.` : "");
  byId("drain-progress").max = Math.max(1, toDrain);
  byId("drain-progress").value = toDrain === 0 ? 1 : toDrain - left;
}

// showLost says since when nothing is known. What is on the page stays.
function showLost(err) {
  lost = true;
  const since = seen ? `since ${clock(Date.parse(seen.status.now))}` : "yet";
  const why = err.status ? `the API answers: ${err.message}` : "it does not answer";
  const ended = seen?.status.draining ? " It was draining, so it has probably stopped." : "";
  setText(byId("lost-text"), `No news from fourseven ${since}: ${why}.${ended} Trying again every second.`);
  setText(byId("lost-age"), seen ? `What is below is ${duration(Date.now() - seen.at)} old.` : "");
  byId("lost").hidden = false;
  setPill(byId("state"), "lost", "Unreachable");
  document.title = "unreachable · fourseven";
  document.body.classList.add("stale");
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
watch();
