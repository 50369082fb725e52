// What every page does: times that stay true, keys that lead somewhere, tips on charts, preferences.

import { typing } from "./keys.js";
import { refreshTimes } from "./time.js";

const PLACES = {
  a: "/alerts",
  c: "/contacts",
  l: "/leads",
  t: "/tickets",
  j: "/journeys",
  s: "/segments",
  w: "/watch",
  m: "/models",
  y: "/system",
};
let going = 0;

setInterval(() => refreshTimes(), 20_000);
document.addEventListener("visibilitychange", () => document.hidden || refreshTimes());

// htmx sends no form token by itself.
document.addEventListener("htmx:config:request", (event) => {
  const request = event.detail.ctx.request;
  request.headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf]").content;
});

document.addEventListener("keydown", (event) => {
  if (typing(event)) return;
  if (Date.now() - going < 1200 && PLACES[event.key]) {
    location.href = PLACES[event.key];
    event.preventDefault();
    event.stopImmediatePropagation();
  } else if (event.key === "g") {
    going = Date.now();
  } else if (event.key === "/") {
    event.preventDefault();
    document.querySelector("[data-search]")?.focus();
  } else if (event.key === "?") {
    document.getElementById("keys")?.togglePopover();
  }
});

// Menus close as people expect; those of an alert's row see to themselves.
const menus = () => document.querySelectorAll(":is(details.menu, details.more-places)[open]:not([data-menu])");
document.addEventListener("pointerdown", ({ target }) => {
  for (const menu of menus()) menu.open = menu.contains(target);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

for (const plot of document.querySelectorAll("[data-plot]")) {
  const tip = plot.querySelector("[data-tip]");
  plot.addEventListener("pointerover", ({ target }) => {
    const mark = target.closest(".mark");
    tip.hidden = !mark;
    if (!mark) return;
    tip.replaceChildren(...["date", "observed", "expected"].map((name) => line(name, mark.dataset[name])));
    const at = mark.querySelector(".order").getBoundingClientRect();
    const box = plot.getBoundingClientRect();
    const left = Math.min(Math.max(at.left - box.left - tip.offsetWidth / 2, 0), box.width - tip.offsetWidth);
    tip.style.left = `${left}px`;
    tip.style.top = `${at.bottom - box.top + 8}px`;
  });
  plot.addEventListener("pointerleave", () => (tip.hidden = true));
}

function line(name, text) {
  const element = document.createElement("div");
  element.textContent = name === "date" ? text : `${name === "observed" ? "Observed" : "Expected"}: ${text}`;
  return element;
}

for (const box of document.querySelectorAll("[data-preference]")) {
  const key = `heed.${box.dataset.preference}`;
  box.checked = localStorage.getItem(key) === "on";
  box.addEventListener("change", async () => {
    if (box.checked && box.dataset.preference === "notify" && (await Notification.requestPermission()) !== "granted") {
      box.checked = false;
      document.querySelector("[data-preference-note]").textContent = "This browser does not allow notifications from here. Allow them in its site settings first.";
    }
    localStorage.setItem(key, box.checked ? "on" : "off");
  });
}
