// Relative times, in the same words as the server's (views/wording.py), kept true while the page is open.

const UNITS = [[3570, 60, "min"], [84600, 3600, "h"], [86400 * 60, 86400, "d"]];

export function ago(moment, now = Date.now()) {
  const seconds = (now - moment) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) return "just now";
  for (const [limit, unit, name] of UNITS) {
    if (size < limit) return phrase(`${Math.max(1, Math.round(size / unit))} ${name}`, seconds);
  }
  const months = Math.round(size / 86400 / 30.44);
  return phrase(months < 24 ? `${months} months` : `${Math.floor(months / 12)} years`, seconds);
}

const phrase = (text, seconds) => (seconds > 0 ? `${text} ago` : `in ${text}`);

export function refreshTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time=ago]")) {
    const text = ago(Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}
