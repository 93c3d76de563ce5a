// The page of the demo. It asks the server for everything it shows and keeps nothing but the token it was given.

const $ = (id) => document.getElementById(id);
const PASSWORDS = { ada: "lovelace", grace: "hopper" };
const SHOWN_HEADERS = ["cache-control", "vary", "ratelimit-policy", "ratelimit", "retry-after", "www-authenticate"];
const REQUESTS_KEPT = 30;

let token = null;
let reopens = null;

// -- talking to the server ------------------------------------------------------------------------------------------

async function send(method, path, { form, bearer, quiet } = {}) {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  // As on another machine: a request with a token takes no cookie along.
  const response = await fetch(path, {
    method, headers, body: form && new URLSearchParams(form), credentials: bearer ? "omit" : "same-origin",
  });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const answer = { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  if (!quiet) record(method, path, { form, bearer }, answer);
  return answer;
}

function curlLine(method, path, { form, bearer }) {
  const words = ["curl"];
  if (bearer) words.push('-H "Authorization: Bearer …"');
  else words.push("-b jar -c jar");
  if (form) words.push(...Object.entries(form).map(([key, value]) => `-d ${key}=${value}`));
  else if (method !== "GET") words.push(`-X ${method}`);
  return [...words, location.origin + path].join(" ");
}

function record(method, path, request, answer) {
  const entry = document.createElement("li");
  const seen = SHOWN_HEADERS.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
  entry.append(
    span(answer.status < 400 ? "good" : "bad", answer.status),
    span("", `${method} ${path}`),
    span("fields-seen", seen.join("  ·  ")),
    span("curl", curlLine(method, path, request)),
  );
  $("requests").prepend(entry);
  while ($("requests").children.length > REQUESTS_KEPT) $("requests").lastChild.remove();
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

// -- the session ----------------------------------------------------------------------------------------------------

async function showSession() {
  const { body: session } = await send("GET", "/session", { quiet: true });
  const name = document.createElement("strong");
  name.textContent = session.user ?? "nobody in particular";
  $("who").replaceChildren("You are ", name, session.handle ? "." : ", and nothing is kept about you.");
  $("handle").textContent = session.handle ?? "none yet";
  $("created").textContent = session.created_at ? moment(session.created_at) : "not yet";
  $("expires").textContent = session.expires_at ? `${moment(session.expires_at)} (${distance(session.expires_at)})` : "–";
  $("presented").textContent = { anonymous: "nothing", cookie: "a cookie" }[session.credential] ?? session.credential;
  $("verdict").textContent = `${session.verdict.reason}, by ${session.verdict.tier} validation${session.verdict.cached ? " (known from a moment ago)" : ""}`;
  $("data").textContent = JSON.stringify(session.data, null, 2);
  $("log-out").disabled = $("end-others").disabled = session.user === null;
  return session;
}

function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function distance(seconds) {
  const hours = (seconds - Date.now() / 1000) / 3600;
  const [amount, unit] = Math.abs(hours) >= 48 ? [hours / 24, "day"] : [hours, "hour"];
  return new Intl.RelativeTimeFormat("en").format(Math.round(amount), unit);
}

async function showSessions() {
  const { status, body } = await send("GET", "/sessions", { quiet: true });
  if (status !== 200) return;
  const others = body.length - 1;
  $("sessions").textContent = others ? `You are logged in here and in ${others} other place${others > 1 ? "s" : ""}.` : "You are logged in here only.";
}

// Does one thing at a time: of two requests that change the same key the later one wins, and a text typed meanwhile would be cleared.
async function alone(fields, action) {
  for (const field of fields) field.disabled = true;
  try {
    await action();
  } finally {
    for (const field of fields) field.disabled = false;
  }
}

// -- what the buttons do --------------------------------------------------------------------------------------------

$("count").onclick = () => alone([$("count")], async () => {
  await send("POST", "/counter");
  await showSession();
});

$("note").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("text").value;
  await alone([...event.target.elements], async () => {
    await send("POST", "/notes", { form: { text } });
    event.target.reset();
    await showSession();
  });
  $("text").focus();
};

$("username").onchange = () => { $("password").value = PASSWORDS[$("username").value]; };

$("login").onsubmit = async (event) => {
  event.preventDefault();
  const { status, body } = await send("POST", "/login", { form: { username: $("username").value, password: $("password").value } });
  await showSession();
  if (status === 200) await showSessions();
  else $("sessions").textContent = body.error ?? "Too many tries. Wait a minute.";
};

$("log-out").onclick = async () => {
  await send("POST", "/logout");
  await showSession();
  $("sessions").textContent = "Logged out: the session has ended on the server, so its cookie is worth nothing any more.";
};

$("end-others").onclick = async () => {
  await send("DELETE", "/sessions/others");
  await showSessions();
};

$("get-token").onclick = async () => {
  const username = $("username").value;
  const { status, body } = await send("POST", "/development-issuer/token", {
    form: { grant_type: "password", username, password: PASSWORDS[username] },
  });
  if (status !== 200) return;
  token = body.access_token;
  $("use-token").disabled = $("bend-token").disabled = false;
  $("token-state").textContent = `${username}'s access token, signed with RS256, good for ${body.expires_in / 60} minutes.`;
};

$("use-token").onclick = () => callWith(token);
$("bend-token").onclick = () => callWith(forged(token));

async function callWith(bearer) {
  const { status, body, headers } = await send("GET", "/api/me", { bearer });
  const roles = (body.may ?? []).filter((name) => name.startsWith("role:")).map((name) => name.slice(5));
  const said = status === 200
    ? `The API knows ${body.user}${roles.length ? `, who has the roles ${roles.join(" and ")}` : ""}.`
    : headers.get("www-authenticate") ?? body.title;
  $("token-state").replaceChildren(span(status === 200 ? "good" : "bad", `${status} `), said);
}

// The same token with another subject: its signature no longer fits.
function forged(genuine) {
  const [header, payload, signature] = genuine.split(".");
  const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  const other = btoa(JSON.stringify({ ...claims, sub: "root" })).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [header, other, signature].join(".");
}

$("ping").onclick = async () => {
  const { status, headers } = await send("GET", "/api/ping");
  const remaining = Number(/;r=(\d+)/.exec(headers.get("ratelimit"))?.[1] ?? 0);
  [...$("permits").children].forEach((permit, index) => permit.classList.toggle("spent", index >= remaining));
  $("limit-headers").textContent = ["ratelimit-policy", "ratelimit", "retry-after"]
    .filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`).join("\n");
  $("limit-state").classList.toggle("refused", status === 429);
  $("limit-state").textContent = status === 429 ? `429: come back in ${headers.get("retry-after")} s` : `${remaining} left`;
  clearTimeout(reopens);
  if (status === 429) reopens = setTimeout(reopen, headers.get("retry-after") * 1000);
};

function reopen() {
  $("limit-state").classList.remove("refused");
  $("limit-state").textContent = "You may ping again.";
}

await showSession();
document.documentElement.dataset.ready = "yes";
