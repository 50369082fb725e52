// The Alerts page: alerts that arrive by themselves, actions by key or button, undo.

import { badge, chime, notify } from "./badge.js";
import { typing } from "./keys.js";
import { dim, exchange, insertOnTop, made, panel, rowOf, rows, takeOut } from "./rows.js";
import { AlertStream } from "./stream.js";

const UNDO_MS = 5000;
const find = (name) => document.querySelector(`[data-${name}]`);
const [live, liveText, newer, toast, toastText, undoButton, announce] =
  ["live", "live-text", "newer", "toast", "toast-text", "undo", "announce"].map(find);
const busy = new Map(); // alert id → changes heard while an action on it is under way
const seen = new Map(); // alert id → the newest change shown
let unread = 0;
let above = 0;
let undo = null;
let toastEnds;

for (const row of rows()) seen.set(row.dataset.id, Number(row.dataset.seq));

// What arrives

function take(data) {
  if (busy.has(data.id)) return void busy.get(data.id).push(data);
  if (data.seq !== null && data.seq <= (seen.get(data.id) ?? -1)) return;
  seen.set(data.id, data.seq ?? 0);
  countMore();
  const old = rowOf(data.id);
  const row = made(data.html);
  if (old) return void (data.shown ? exchange(old, row) : dim(old, row));
  if (!data.shown || panel.hasAttribute("data-older")) return;
  arrive(row, data);
}

function arrive(row, data) {
  find("empty")?.remove();
  if (!insertOnTop(row)) above += 1;
  if (panel.hasAttribute("data-waiting")) return say(); // what waits does not ask for attention
  unread += 1;
  say();
  announce.textContent = `New alert. ${data.title}`;
  chime();
  notify(data);
}

// What waits for room in its owner's day: the line below the list is asked for anew, at most once a second.

let counting = null;

function countMore() {
  const line = find("more");
  if (!line || counting) return;
  counting = setTimeout(async () => {
    counting = null;
    const response = await fetch(`/alerts/more${panel.dataset.query}`).catch(() => null);
    if (response?.ok && !response.redirected) line.innerHTML = await response.text(); // the server's own template
  }, 1000);
}

function say() {
  badge(unread);
  newer.hidden = above === 0;
  newer.firstElementChild.textContent = above === 1 ? "1 new alert ↑" : `${above} new alerts ↑`;
}

function looked() {
  if (document.hidden) return;
  if (scrollY < panel.offsetTop + 40) above = 0;
  if (above === 0) unread = 0;
  say();
}

newer.firstElementChild.addEventListener("click", () => {
  scrollTo({ top: 0, behavior: "smooth" });
  rows()[0]?.focus({ preventScroll: true });
});
addEventListener("scroll", looked, { passive: true });
addEventListener("focus", looked);
document.addEventListener("visibilitychange", looked);
document.addEventListener("pointermove", () => unread && looked(), { passive: true });
document.addEventListener("keydown", () => unread && looked());

// Whether the line is alive

const STATES = {
  live: "Live",
  lost: "Connection lost. What you miss will arrive here, in order",
  behind: "Sales does not answer. Alerts are kept and will arrive here",
  refused: "Not live: your role does not get alerts as they happen",
  out: "Signed out. Open the page again to sign in",
};
live.hidden = false;
new AlertStream(panel.dataset.stream, Number(panel.dataset.last), {
  alert: take,
  state(state) {
    live.dataset.state = state === "live" ? "live" : "lost";
    liveText.textContent = STATES[state];
  },
});

// What is done

async function send(form, button) {
  const row = form.closest(".alert");
  const { id } = row.dataset;
  if (busy.has(id)) return;
  const body = new URLSearchParams(new FormData(form, button));
  if (row.contains(document.activeElement)) row.focus({ preventScroll: true }); // the button goes with its menu
  row.querySelectorAll("details.menu[open]").forEach((menu) => menu.removeAttribute("open"));
  busy.set(id, []);
  const data = await post(form.action, body);
  if (data) {
    settle(row, data);
    offer(data.said, form.dataset.action === "reopen" ? null : () => putBack(id));
  }
  flush(id);
}

const back = new Map(); // alert id → how to put its row back where it was

function settle(row, data) {
  seen.set(data.id, data.seq ?? seen.get(data.id) ?? 0);
  if (data.shown) return exchange(row, made(data.html));
  back.set(data.id, takeOut(row));
  if (!rows().length) nothingLeft();
}

function nothingLeft() {
  const box = document.createElement("div");
  box.className = "panel";
  box.dataset.empty = "";
  box.append(find("nothing").content.cloneNode(true));
  panel.after(box);
}

async function putBack(id) {
  busy.set(id, []);
  const csrf = document.querySelector("meta[name=csrf]").content;
  const data = await post(`/alerts/${encodeURIComponent(id)}/reopen`, new URLSearchParams({ csrf }));
  if (data) {
    find("empty")?.remove();
    seen.set(id, data.seq ?? 0);
    const old = rowOf(id);
    const row = made(data.html);
    if (old) exchange(old, row);
    else back.get(id)?.(row);
    offer("Undone", null);
  }
  flush(id);
}

function flush(id) {
  const heard = busy.get(id) ?? [];
  busy.delete(id);
  heard.forEach(take);
}

async function post(action, body) {
  const url = new URL(action, location.href);
  url.search = panel.dataset.query;
  try {
    const response = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
    if (response.status === 401) return void (location.href = "/sign-in?next=/alerts");
    const data = response.headers.get("content-type")?.includes("json") ? await response.json() : {};
    if (response.ok) return data;
    offer(`Not done. ${data.problem ?? "Open the page again and repeat it."}`, null);
  } catch {
    offer("Not done: the console cannot be reached. Nothing was changed.", null);
  }
}

function offer(text, how) {
  clearTimeout(toastEnds);
  undo = how;
  undoButton.hidden = !how;
  toastText.textContent = text;
  toast.hidden = false;
  toastEnds = setTimeout(() => {
    toast.hidden = true;
    undo = null;
  }, UNDO_MS);
}

function undone() {
  const how = undo;
  undo = null;
  toast.hidden = true;
  how?.();
}
undoButton.addEventListener("click", undone);

panel.addEventListener("submit", (event) => {
  if (!event.target.dataset.action) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

// Keys

const current = () => document.activeElement?.closest(".alert");

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const target = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  target?.focus();
  target?.scrollIntoView({ block: "nearest" });
}

function press(action) {
  const form = current()?.querySelector(`form[data-action=${action}]`);
  form?.requestSubmit(form.querySelector("button"));
}

function toggle(name) {
  const menu = current()?.querySelector(`[data-menu=${name}]`);
  if (!menu) return;
  menu.open = !menu.open;
  if (menu.open) menu.querySelector("button").focus();
}

function choose(key) {
  const open = panel.querySelector("details.menu[open]");
  open?.querySelectorAll("button")[Number(key) - 1]?.click();
  return Boolean(open);
}

function closeMenus() {
  for (const menu of panel.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.closest(".alert").focus({ preventScroll: true });
  }
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  e: () => press("acknowledge"),
  s: () => toggle("snooze"),
  r: () => toggle("resolve"),
  u: undone,
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return closeMenus();
  if (typing(event)) return;
  if (event.key === "Enter" && document.activeElement === current()) return current()?.querySelector("[data-open]").click();
  if (/^[1-9]$/.test(event.key) && choose(event.key)) return event.preventDefault();
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
document.addEventListener("pointerdown", (event) => event.target.closest("details.menu") || closeMenus());
