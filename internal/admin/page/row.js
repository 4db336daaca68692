import { Chart } from "./chart.js";
import { element, setAddress, setPill, setText, stamp } from "./dom.js";
import { bytes, bytesPerSecond, count, duration, latency, percent, perSecond, plural } from "./format.js";
import { errorShare } from "./rank.js";
import { Reasons } from "./reasons.js";
import { Series } from "./series.js";

const states = { up: "Up", down: "Down", standby: "Standby", unknown: "Not probed yet" };

// many is the share of errors from which on it is bad.
const many = 0.05;

// A Row shows one backend: a line of figures, and below it what else there is to know
// and to change.
export class Row {
  #parts = stamp("backend");
  #context;
  #path; // of the backend in the API
  #called; // the backend in messages
  #seeded = 0; // the version of the past that the series have
  #series = {
    l4_connections: new Series(),
    requests: new Series(),
    received_bytes: new Series(),
    sent_bytes: new Series(),
  };
  #chart;
  #errors;
  #shown = {}; // the backend as it was last told of
  #last = false; // it is the only one that takes traffic

  constructor(address, context) {
    this.#context = context;
    const { service } = context;
    this.#path = `api/${service ? `services/${service}/` : ""}backends/${encodeURIComponent(address)}`;
    this.#called = service ? `${address} of ${service}` : address;
    const { root, spark, errors, http, l4 } = this.#parts;
    root.dataset.backend = address;
    setAddress(this.#parts.address, address);
    this.#errors = new Reasons(errors);
    this.#chart = new Chart({
      title: `Bytes of ${this.#called}`,
      unit: bytesPerSecond,
      lines: [
        { name: "in", color: "in", series: this.#series.received_bytes },
        { name: "out", color: "out", series: this.#series.sent_bytes },
      ],
    });
    spark.append(this.#chart.root);
    http.hidden = !context.http;
    l4.hidden = !context.l4;
    this.#listen();
  }

  get root() {
    return this.#parts.root;
  }

  #listen() {
    const { modes, weight, weightForm, resetWeight, close, more } = this.#parts;
    modes.setAttribute("aria-label", `Mode of ${this.#called}`);
    weight.setAttribute("aria-label", `Weight of ${this.#called}`);
    more.setAttribute("aria-label", `More about ${this.#called}`);
    more.addEventListener("click", () => {
      more.setAttribute("aria-expanded", String(this.root.classList.toggle("open")));
    });
    modes.addEventListener("click", (event) => {
      const mode = event.target.dataset.action;
      if (mode && this.#maySet(mode)) this.#ask(`set ${this.#called} to ${mode}`, "POST", mode);
    });
    weight.addEventListener("input", () => this.#offerWeight());
    weight.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#takeBackWeight();
    });
    weightForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#setWeight(Number(weight.value));
    });
    resetWeight.addEventListener("click", () => {
      weight.value = this.#shown.configured_weight;
      this.#setWeight(this.#shown.configured_weight);
    });
    close.addEventListener("click", () => {
      if (window.confirm(`Reset the L4 and upgraded connections of ${this.#called}?`)) {
        this.#ask(`close the connections of ${this.#called}`, "POST", "close");
      }
    });
  }

  // maySet asks before traffic is taken from the last backend that has it.
  #maySet(mode) {
    if (mode === "ready" || !this.#last) return true;
    return window.confirm(`${this.#called} is the last backend that takes traffic: without it new clients are refused. Set it to ${mode} all the same?`);
  }

  #setWeight(weight) {
    this.#ask(`set the weight of ${this.#called} to ${weight}`, "PUT", "weight", { weight });
  }

  async #ask(words, method, verb, body) {
    this.root.classList.add("busy");
    await this.#context.steer({ words, method, path: `${this.#path}/${verb}`, body });
    this.root.classList.remove("busy");
  }

  // offerWeight shows the button once there is something to set.
  #offerWeight() {
    const { weight, setWeight } = this.#parts;
    setWeight.hidden = weight.value === String(this.#shown.weight);
  }

  #takeBackWeight() {
    this.#parts.weight.value = this.#shown.weight;
    this.#offerWeight();
  }

  // update takes the backend as it is now, and whether it is the last one that takes
  // traffic.
  update(now, b, last) {
    this.#last = last;
    this.#seed(b);
    this.#updateState(now, b);
    this.#updateTraffic(now, b);
    this.#updateRecent(b);
    this.#updateDetail(now, b);
    this.#updateControls(b);
    this.#shown = b;
  }

  #seed(b) {
    const { past } = this.#context;
    if (this.#seeded === past.version) return;
    this.#seeded = past.version;
    past.seed(`backend ${b.service ?? ""} ${b.address}`, this.#series);
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
    const error = b.probe?.error ?? "";
    setText(cause, error.replace(`dial ${b.address} `, "dial ")); // the address is beside it
    cause.title = error;
    backup.hidden = !b.backup;
    takes.hidden = !b.active;
    this.root.dataset.state = b.mode === "ready" ? b.state : b.mode;
  }

  #updateTraffic(now, b) {
    const { open, opened, inFlight, requests, received, receivedTotal, sent, sentTotal } = this.#parts;
    for (const [name, series] of Object.entries(this.#series)) series.add(now, b[name]);
    const of = this.#series;
    const most = b.max_conns > 0 ? ` of ${count(b.max_conns)}` : "";
    setText(open, `${count(b.open_connections)}${this.#context.http ? "" : most}`);
    setText(opened, `${perSecond(of.l4_connections.now())} new`);
    setText(requests, perSecond(of.requests.now()));
    setText(inFlight, `${count(b.requests_in_flight)}${most} in flight`);
    setText(received, bytesPerSecond(of.received_bytes.now()));
    setText(receivedTotal, bytes(b.received_bytes));
    setText(sent, bytesPerSecond(of.sent_bytes.now()));
    setText(sentTotal, bytes(b.sent_bytes));
  }

  // updateRecent shows what is of the last minute.
  #updateRecent(b) {
    const { connect, connect99, response, response99, errorRate, failedDials } = this.#parts;
    const { connect: connects, response: responses, failed_dials: failed = 0 } = b.recent ?? {};
    setText(connect, latency(connects?.p50_seconds));
    setText(connect99, connects ? latency(connects.p99_seconds) : "");
    setText(response, latency(responses?.p50_seconds));
    setText(response99, responses ? latency(responses.p99_seconds) : "");
    const share = errorShare(b);
    setText(errorRate, percent(share));
    errorRate.className = share >= many ? "trouble" : share > 0 ? "caution" : "";
    setText(failedDials, failed > 0 ? plural(failed, "failed dial") : "");
  }

  #updateDetail(now, b) {
    const { probe, checks, connections, requestsTotal } = this.#parts;
    const failed = (b.checks?.failed ?? 0) + (b.checks?.local ?? 0);
    setText(probe, latency(b.probe?.latency_seconds));
    setText(checks, b.checks ? `${count(failed)} failed` : "");
    setText(connections, count(b.l4_connections));
    setText(requestsTotal, count(b.requests));
    this.#updateResponses(b);
    this.#errors.update(now, b.errors);
    this.#chart.draw(now);
  }

  #updateResponses(b) {
    const { responses } = this.#parts;
    const counts = { ...b.responses, failed: b.failed_requests };
    const texts = Object.entries(counts).filter(([, n]) => n > 0);
    while (responses.children.length > texts.length) responses.lastElementChild.remove();
    while (responses.children.length < texts.length) responses.append(element("li"));
    texts.forEach(([name, n], i) => {
      responses.children[i].className = name === "5xx" || name === "failed" ? "trouble" : "";
      setText(responses.children[i], `${name} ${count(n)}`);
    });
  }

  #updateControls(b) {
    const { modes: buttons, weight, configured, resetWeight, setWeight, close } = this.#parts;
    for (const button of buttons.children) {
      button.setAttribute("aria-pressed", String(button.dataset.action === b.mode));
    }
    const edited = this.#shown.weight !== undefined && weight.value !== String(this.#shown.weight);
    if (!edited || weight.value === String(b.weight)) weight.value = b.weight;
    const other = b.weight !== b.configured_weight;
    setText(configured, other ? `configured ${b.configured_weight}` : "");
    resetWeight.hidden = !other;
    setText(resetWeight, `Reset to ${b.configured_weight}`);
    close.hidden = b.mode === "ready" || b.active_connections === 0;
    setWeight.hidden = weight.value === String(b.weight);
  }

  interrupt() {
    for (const series of Object.values(this.#series)) series.interrupt();
  }
}
