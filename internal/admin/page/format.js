// How figures are put into words. Every function takes what the API gives and
// returns text; undefined and null become a dash.

const none = "–";
const whole = new Intl.NumberFormat("en");
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function count(n) {
  return n == null ? none : whole.format(n);
}

// number has a decimal where a whole number would be too coarse.
function number(n) {
  return n > 0 && n < 9.95 ? tenths.format(n) : whole.format(Math.round(n));
}

export function perSecond(n) {
  return n == null ? none : `${number(n)}/s`;
}

export function bytes(n) {
  if (n == null) return none;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  for (; n >= 999.5 && i < units.length - 1; i++) n /= 1000;
  return `${i === 0 ? whole.format(Math.round(n)) : number(n)} ${units[i]}`;
}

export function bytesPerSecond(n) {
  return n == null ? none : `${bytes(n)}/s`;
}

export function latency(seconds) {
  if (seconds == null) return none;
  if (seconds < 0.001) return `${whole.format(Math.round(seconds * 1e6))} µs`;
  return seconds < 1 ? `${number(seconds * 1000)} ms` : `${tenths.format(seconds)} s`;
}

// percent of a share from 0 to 1.
export function percent(share) {
  if (share == null) return none;
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${share > 0 && share < 0.0995 ? tenths.format(share * 100) : whole.format(Math.round(share * 100))} %`;
}

// duration has two units at most: more would change too fast to be read.
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h} h ${m % 60} min`;
  return m > 0 ? `${m} min ${s % 60} s` : `${s} s`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

// plural puts a count before a word.
export function plural(n, word) {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

// reason makes words of a name such as half_close_timeout.
export function reason(name) {
  return name.replaceAll("_", " ");
}
