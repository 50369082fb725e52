// The rows of the Alerts page: put in, taken out and exchanged without moving what is being read.

import { refreshTimes } from "./time.js";

export const panel = document.querySelector("[data-alerts]");
export const rowOf = (id) => panel.querySelector(`[data-id="${CSS.escape(id)}"]:not(.leaving)`);
export const rows = () => [...panel.querySelectorAll(".alert:not(.leaving)")];

export function made(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // the server's own template, escaped there
  const row = holder.content.querySelector(".alert");
  refreshTimes(row);
  return row;
}

// Whether somebody reads or works in the list; then a new row goes above without moving it.
const reading = () => scrollY > 0 || panel.contains(document.activeElement) || panel.matches(":hover");

// Returns false when the row was put out of sight, above what is being read.
export function insertOnTop(row) {
  const keep = reading();
  const before = panel.getBoundingClientRect().height;
  panel.prepend(row);
  if (!keep) {
    row.classList.add("arriving");
    return true;
  }
  scrollOn(panel.getBoundingClientRect().height - before);
  return row.getBoundingClientRect().bottom > 0;
}

function scrollOn(pixels) {
  const wanted = scrollY + pixels;
  scrollTo({ top: wanted, behavior: "instant" });
  if (scrollY >= wanted - 1) return;
  // A short page cannot scroll that far: give it room below.
  document.getElementById("main").style.minHeight = `${wanted + innerHeight}px`;
  scrollTo({ top: wanted, behavior: "instant" });
}

export function exchange(old, row) {
  const focused = old.contains(document.activeElement);
  old.querySelectorAll(":scope details[open]").forEach((open) => {
    const same = open.dataset.menu ? `[data-menu="${open.dataset.menu}"]` : ".why";
    row.querySelector(same)?.setAttribute("open", "");
  });
  old.replaceWith(row);
  if (focused) row.focus({ preventScroll: true });
}

// Takes a row out after its reader dealt with it. Returns how to put it back where it was.
export function takeOut(row) {
  const next = row.nextElementSibling;
  const focused = row.contains(document.activeElement);
  const neighbour = rows()[rows().indexOf(row) + 1] ?? rows()[rows().indexOf(row) - 1];
  row.classList.add("leaving");
  if (focused) neighbour?.focus({ preventScroll: true });
  setTimeout(() => row.remove(), matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 160);
  return (fresh) => {
    row.remove();
    if (next?.isConnected) next.before(fresh);
    else panel.append(fresh);
    fresh.focus();
  };
}

// Somebody else dealt with it: it stays where it is until the page is opened again, so that nothing jumps.
export function dim(old, row) {
  exchange(old, row);
  row.classList.add("gone");
}
