import { ask } from "./api.js";
import { Changes } from "./changes.js";
import { Choice } from "./choice.js";
import { Connections } from "./connections.js";
import { element, setText } from "./dom.js";
import { clock, count, duration, plural } from "./format.js";
import { Notice } from "./notice.js";
import { Past } from "./past.js";
import { Services } from "./services.js";
import { State } from "./state.js";

const period = 1000; // milliseconds between two looks

const byId = (id) => document.getElementById(id);
const notice = new Notice(look);
const changes = new Changes(byId("events"));
const choice = new Choice(() => seen && showServices());
const past = new Past();
const steer = (wanted) => notice.change(wanted);
const services = new Services(byId("services"), { choice, past, steer });
const state = new State(showTroubled);
new Connections(steer);

// gap is how long there may have been no news before the charts are filled in by what the
// program has kept, in milliseconds: a browser slows down pages that are not seen.
const gap = 5000;

let looks = 0; // how many were begun: only the latest is shown
let seen = null; // {status, list, at} of the last look that succeeded
let told = -1; // the latest event that is shown
let lost = false; // whether the latest failed
let toDrain = 0; // the most connections that were live while draining

// look asks for everything once and shows it.
async function look() {
  const mine = ++looks;
  let answers, events;
  try {
    if (lost || !seen || Date.now() - seen.at > gap) await past.load();
    answers = await Promise.all([ask("api/status"), ask("api/backends")]);
    if (answers[0].last_event !== told) events = await ask("api/events");
  } catch (err) {
    if (mine === looks) showLost(err);
    return;
  }
  if (mine === looks) show(...answers, events);
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

function show(status, list, events) {
  const now = Date.parse(status.now);
  if (lost) services.interrupt();
  if (events) {
    told = status.last_event;
    changes.update(events);
  }
  if (seen && lost) changes.tell(now, "good", "fourseven responds again");
  if (seen && seen.status.started !== status.started) changes.tell(now, "warn", "fourseven was restarted");
  lost = false;
  seen = { status, list, at: Date.now() };
  showHead(now, status);
  showReloads(status);
  showDrain(status);
  showCertificates(status);
  showServices();
  byId("lost").hidden = true;
  document.body.classList.remove("stale");
}

function showServices() {
  const { status, list } = seen;
  choice.update(list);
  const shown = services.update(Date.parse(status.now), status, list);
  byId("none").hidden = shown > 0 || !choice.narrow;
}

// showTroubled shows the backends that are down, and moves to the first.
function showTroubled() {
  if (!byId("choice").hidden) choice.show("down");
  const first = document.querySelector('[data-backend][data-state="down"]');
  first?.scrollIntoView({ block: "center" });
  first?.classList.add("pointed");
  setTimeout(() => first?.classList.remove("pointed"), 2000);
}

function active(status) {
  return status.frontends.reduce((sum, f) => sum + f.active, 0);
}

function showHead(now, status) {
  const { available, backends } = status.availability;
  const limit = status.connections_limit;
  state.show(status);
  setText(byId("version"), status.version);
  setText(byId("available"), `${count(available)} of ${count(backends)}`);
  setText(byId("connections"), limit > 0 ? `${count(active(status))} of ${count(limit)}` : count(active(status)));
  setText(byId("in-flight"), count(status.http?.in_flight));
  byId("in-flight").parentElement.hidden = !status.http;
  setText(byId("uptime"), duration(now - Date.parse(status.started)));
  setText(byId("updated"), clock(now));
  showTrouble("accept-errors", status.accept_errors);
  showTrouble("log-lines-dropped", status.log_lines_dropped);
}

// showTrouble shows a count that is nothing to speak of while it is zero.
function showTrouble(id, n) {
  setText(byId(id), count(n));
  byId(id).parentElement.hidden = !n;
}

// showCertificates shows for how long the certificates that clients are shown are valid.
function showCertificates(status) {
  const all = status.certificates ?? [];
  byId("certificates-section").hidden = all.length === 0;
  const items = all.map((c) => {
    const item = element("li", c.days_left < 0 ? "bad" : c.days_left < 14 ? "warn" : "");
    const names = [c.service && `${c.service}:`, c.names?.join(", ") || c.source].filter(Boolean).join(" ");
    item.append(`${names} `, element("b", "", c.days_left < 0 ? "has expired" : `${plural(c.days_left, "day")} left`));
    return item;
  });
  byId("certificates").replaceChildren(...items);
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

// showLost shows since when there has been no data. The rest of the page stays.
function showLost(err) {
  lost = true;
  const since = seen ? `since ${clock(Date.parse(seen.status.now))}` : "yet";
  const why = err.status ? `the API returned: ${err.message}` : "it does not respond";
  const ended = seen?.status.draining ? " It was draining, so it has probably stopped." : "";
  setText(byId("lost-text"), `No news from fourseven ${since}: ${why}.${ended} Trying again every second.`);
  setText(byId("lost-age"), seen ? `The data below is ${duration(Date.now() - seen.at)} old.` : "");
  byId("lost").hidden = false;
  state.lost();
  document.body.classList.add("stale");
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});
watch();
