// What kind of state a backend is in, and which backends come first.

// much is the share of errors in the last minute that makes a backend a troubled one.
const much = 0.05;

// The kinds, those that need a look first. Each is a filter of the list.
export const kinds = {
  down: "Down",
  errors: "Errors",
  unknown: "Not probed",
  drain: "Draining",
  up: "Up",
  standby: "Standby",
};
const order = Object.keys(kinds);

// errorShare returns the share of the last minute's requests, or else dials, that failed, or
// null if there were none.
export function errorShare(b) {
  const { requests = 0, errors = 0, dials = 0, failed_dials: failedDials = 0 } = b.recent ?? {};
  if (requests > 0) return Math.min(1, errors / requests);
  return dials > 0 ? failedDials / dials : null;
}

export function kindOf(b) {
  if (b.mode === "down" || b.state === "down") return "down";
  if (b.mode === "drain") return "drain";
  if (b.state === "up" && errorShare(b) >= much) return "errors";
  return b.state in kinds ? b.state : "unknown";
}

// takesTraffic reports whether a backend may take new traffic.
export function takesTraffic(b) {
  return b.state === "up" && b.mode === "ready";
}

// The orders that the list can have. A backend comes before those that have less.
export const orders = {
  trouble: { words: "Trouble first", of: (b) => order.length - order.indexOf(kindOf(b)) },
  list: { words: "As configured", of: () => 0 },
  connections: { words: "Most connections", of: (b) => b.open_connections },
  requests: { words: "Most requests", of: (b) => b.recent?.requests ?? 0 },
  errors: { words: "Most errors", of: (b) => errorShare(b) ?? 0 },
  response: { words: "Slowest responses", of: (b) => b.recent?.response?.p99_seconds ?? 0 },
  connect: { words: "Slowest to connect", of: (b) => b.recent?.connect?.p99_seconds ?? 0 },
  address: { words: "By address", of: () => 0, text: (b) => b.address },
};

const byText = new Intl.Collator("en", { numeric: true }).compare;

// sorted returns the backends in an order, those that are equal as configured.
export function sorted(backends, name) {
  const { of, text } = orders[name];
  return backends.toSorted((a, b) => of(b) - of(a) || (text ? byText(text(a), text(b)) : 0));
}
