// One lasting connection to the console's stream of alerts. It says within five seconds when it is dead, resumes
// from the last alert it had, and goes on in hidden tabs.

const SILENCE_MS = 4500; // the console sends something at least every two seconds
const STUCK_MS = 15_000; // a connection attempt that neither succeeds nor fails

export class AlertStream {
  // handlers: alert(data), state("live" | "lost" | "behind" | "out" | "refused")
  constructor(url, last, handlers) {
    Object.assign(this, { url, last, handlers, heard: Date.now(), pause: 500 });
    this.open();
    setInterval(() => this.watch(), 500);
    document.addEventListener("visibilitychange", () => document.hidden || this.watch());
    addEventListener("online", () => this.reopen());
    addEventListener("offline", () => this.ended || this.say("lost"));
    // A page in the back-forward cache must not hold a connection.
    addEventListener("pagehide", () => this.source.close());
    addEventListener("pageshow", (event) => event.persisted && this.reopen());
  }

  open() {
    const url = new URL(this.url, location.href);
    url.searchParams.set("last_event_id", this.last);
    this.source = new EventSource(url);
    this.source.addEventListener("beat", (event) => this.beat(JSON.parse(event.data)));
    this.source.addEventListener("alert", (event) => this.alert(JSON.parse(event.data)));
    this.source.addEventListener("signed-out", () => this.end("out"));
    this.source.addEventListener("refused", () => this.end("refused"));
    this.source.addEventListener("error", () => this.failed());
  }

  beat({ connected }) {
    this.heard = Date.now();
    this.pause = 500;
    if (connected !== undefined) this.say(connected ? "live" : "behind");
  }

  alert(data) {
    this.heard = Date.now();
    if (data.seq <= this.last) return; // each change once, whatever is sent again
    this.last = data.seq;
    this.say("live");
    this.handlers.alert(data);
  }

  failed() {
    this.say("lost");
    // The browser tries again by itself, unless the answer was an error (a restart, a session that ended).
    if (this.source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => this.reopen(), this.pause);
    this.pause = Math.min(this.pause * 2, 8000);
  }

  // The console ended it: there is nothing to wait for.
  end(state) {
    this.ended = true;
    this.source.close();
    this.say(state);
  }

  watch() {
    if (this.ended) return;
    const silent = Date.now() - this.heard;
    if (silent < SILENCE_MS) return;
    this.say("lost");
    if (this.source.readyState === EventSource.OPEN || silent > STUCK_MS) this.reopen();
  }

  reopen() {
    if (this.ended) return;
    this.source.close();
    this.heard = Date.now() - SILENCE_MS + 3000; // three seconds to connect
    this.open();
  }

  say(state) {
    if (state === this.said) return;
    this.said = state;
    this.handlers.state(state);
  }
}
