import { Chart } from "./chart.js";
import { keep, setPill, setText, stamp } from "./dom.js";
import { bytes, bytesPerSecond, count, duration, latency, perSecond } from "./format.js";
import { Reasons } from "./reasons.js";
import { Series } from "./series.js";

const states = { up: "Up", down: "Down", standby: "Standby", unknown: "Not probed yet" };

// Backends shows a row for each backend of a service. steer is called with what the
// operator wants: {words, method, path, body}.
export class Backends {
  #rows = new Map(); // by address
  #parent;
  #service; // its name, or nothing
  #steer;

  constructor(parent, service, steer) {
    this.#parent = parent;
    this.#service = service;
    this.#steer = steer;
  }

  update(now, backends) {
    keep(this.#parent, this.#rows, backends.map((b) => b.address), (address) => new Row(address, this.#service, this.#steer));
    for (const b of backends) this.#rows.get(b.address).update(now, b);
  }

  interrupt() {
    for (const row of this.#rows.values()) row.interrupt();
  }
}

// A Row shows one backend.
class Row {
  #parts = stamp("backend");
  #address;
  #path; // of the backend in the API
  #called; // the backend in messages
  #steer;
  #connections = new Series();
  #received = new Series();
  #sent = new Series();
  #chart;
  #errors;
  #shown = {}; // the backend as it was last told of

  constructor(address, service, steer) {
    this.#address = address;
    this.#path = `api/${service ? `services/${service}/` : ""}backends/${encodeURIComponent(address)}`;
    this.#called = service ? `${address} of ${service}` : address;
    this.#steer = steer;
    const { root, spark, errors } = this.#parts;
    root.dataset.backend = address;
    setText(this.#parts.address, address);
    this.#errors = new Reasons(errors);
    this.#chart = new Chart({
      title: `Bytes of ${this.#called}`,
      unit: bytesPerSecond,
      lines: [
        { name: "in", color: "in", series: this.#received },
        { name: "out", color: "out", series: this.#sent },
      ],
    });
    spark.append(this.#chart.root);
    this.#listen();
  }

  get root() {
    return this.#parts.root;
  }

  #listen() {
    const { modes, weight, weightForm, close } = this.#parts;
    modes.setAttribute("aria-label", `Mode of ${this.#called}`);
    weight.setAttribute("aria-label", `Weight of ${this.#called}`);
    modes.addEventListener("click", (event) => {
      const mode = event.target.dataset.action;
      if (mode) this.#ask(`set ${this.#called} to ${mode}`, "POST", mode);
    });
    weight.addEventListener("input", () => this.#offerWeight());
    weight.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#resetWeight();
    });
    weightForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask(`set the weight of ${this.#called} to ${weight.value}`, "PUT", "weight", { weight: Number(weight.value) });
    });
    close.addEventListener("click", () => {
      if (window.confirm(`Reset the L4 and upgraded connections of ${this.#called}?`)) {
        this.#ask(`close the connections of ${this.#called}`, "POST", "close");
      }
    });
  }

  async #ask(words, method, verb, body) {
    this.root.classList.add("busy");
    await this.#steer({ words, method, path: `${this.#path}/${verb}`, body });
    this.root.classList.remove("busy");
  }

  // offerWeight shows the button once there is something to set.
  #offerWeight() {
    const { weight, setWeight } = this.#parts;
    setWeight.hidden = weight.value === String(this.#shown.weight);
  }

  #resetWeight() {
    this.#parts.weight.value = this.#shown.weight;
    this.#offerWeight();
  }

  update(now, b) {
    this.#updateState(now, b);
    this.#updateTraffic(now, b);
    this.#updateProbe(b);
    this.#updateControls(b);
    this.#shown = b;
  }

  // updateState shows what the operator wants before what the probes say.
  #updateState(now, b) {
    const { state, since, probes, cause, backup, takes } = this.#parts;
    const said = states[b.state] ?? b.state;
    const long = b.since ? ` for ${duration(now - Date.parse(b.since))}` : "";
    if (b.mode === "ready") setPill(state, b.state, said);
    else if (b.mode === "down") setPill(state, "down", "Down");
    else setPill(state, b.mode, b.active_connections > 0 ? "Draining" : "Drained");
    setText(since, b.mode === "ready" ? long : "by the operator");
    setText(probes, b.mode === "ready" ? "" : `${said} by its probes${long}`);
    setText(cause, b.probe?.error ?? "");
    backup.hidden = !b.backup;
    takes.hidden = !b.active;
    this.root.dataset.state = b.mode === "ready" ? b.state : b.mode;
  }

  #updateTraffic(now, b) {
    const { active, connections, received, receivedTotal, sent, sentTotal } = this.#parts;
    this.#connections.add(now, b.connections);
    this.#received.add(now, b.received_bytes);
    this.#sent.add(now, b.sent_bytes);
    const most = b.max_conns > 0 ? ` of ${count(b.max_conns)}` : "";
    setText(active, `${count(b.active_connections)}${most}`);
    setText(connections, `${perSecond(this.#connections.now())}, ${count(b.connections)} in all`);
    setText(received, bytesPerSecond(this.#received.now()));
    setText(receivedTotal, bytes(b.received_bytes));
    setText(sent, bytesPerSecond(this.#sent.now()));
    setText(sentTotal, bytes(b.sent_bytes));
    this.#errors.update(now, b.errors);
    this.#chart.draw(now);
  }

  #updateProbe(b) {
    const { latency: took, checks } = this.#parts;
    const failed = (b.checks?.failed ?? 0) + (b.checks?.local ?? 0);
    setText(took, latency(b.probe?.latency_seconds));
    setText(checks, b.checks ? `${count(failed)} failed` : "");
  }

  #updateControls(b) {
    const { modes: buttons, weight, configured, close } = this.#parts;
    for (const button of buttons.children) {
      button.setAttribute("aria-pressed", String(button.dataset.action === b.mode));
    }
    const edited = this.#shown.weight !== undefined && weight.value !== String(this.#shown.weight);
    if (!edited || weight.value === String(b.weight)) weight.value = b.weight;
    setText(configured, b.weight === b.configured_weight ? "" : `configured ${b.configured_weight}`);
    close.hidden = b.mode === "ready" || b.active_connections === 0;
    this.#parts.setWeight.hidden = weight.value === String(b.weight);
  }

  interrupt() {
    for (const series of [this.#connections, this.#received, this.#sent]) series.interrupt();
  }
}
