// The API of the program that served this page.

const tokenKey = "fourseven-token";
const patience = 5000; // milliseconds for one answer

// A Refusal is a response with an error.
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// ask returns what was answered. It throws a Refusal, or another error if there
// was no answer.
export async function ask(path, { method = "GET", body } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && token()) headers.Authorization = `Bearer ${token()}`;
  const response = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(patience),
  });
  if (!response.ok) throw new Refusal(response.status, await refusalText(response));
  return response.json();
}

async function refusalText(response) {
  try {
    return (await response.json()).error || `status ${response.status}`;
  } catch {
    return `status ${response.status}`;
  }
}

// token returns the admin token that this tab was given, or null.
export function token() {
  return sessionStorage.getItem(tokenKey);
}

export function keepToken(text) {
  sessionStorage.setItem(tokenKey, text);
}

export function forgetToken() {
  sessionStorage.removeItem(tokenKey);
}
