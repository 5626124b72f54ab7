// Decisions on their way to the ledger: none leaves this log before the server says that it is committed.
//
// The log lies in localStorage under the workspace and a client id of this page, so that a killed server, a closed
// tab or a lost connection loses nothing; resending is harmless because (client, seq) is unique in the ledger.

const FIRST_RETRY = 500;
const LAST_RETRY = 15_000;
const PATIENCE = 3_000;
const STEP = 25;
const BLOCK = 500; // events a request
const KEEPALIVE_BYTES = 60_000; // browsers refuse to finish larger requests of a page that is gone

const prefix = (workspace) => `labelmend.log.${workspace}.`;

export class Outbox {
  // `onChange()` is called whenever `unsaved` or `refused` may have changed.
  constructor(workspace, reviewer, onChange, client = crypto.randomUUID()) {
    Object.assign(this, { workspace, reviewer, onChange, client });
    this.key = prefix(workspace) + client;
    this.log = [];
    this.seq = 0;
    this.refused = ""; // the server's sentence, when it will not take the log
    this.failures = 0;
    this.sending = false;
    // The lock says that this page lives and sends its own log; it ends with the page.
    navigator.locks.request(this.key, () => new Promise(() => {}));
    addEventListener("online", () => this.flush());
  }

  get unsaved() {
    return this.log.length;
  }

  // Add one event and return its name in the ledger, {client, seq}; it is sent at the end of the current task.
  append(event) {
    this.seq += 1;
    this.log.push({ ...event, seq: this.seq });
    if (!this.scheduled) {
      this.scheduled = true;
      queueMicrotask(() => {
        this.scheduled = false;
        this.store();
        this.flush();
      });
    }
    return { client: this.client, seq: this.seq };
  }

  store() {
    try {
      if (this.log.length) {
        localStorage.setItem(this.key, JSON.stringify({ reviewer: this.reviewer, log: this.log }));
      } else {
        localStorage.removeItem(this.key);
      }
    } catch (error) {
      if (!(error instanceof DOMException)) throw error; // storage is full or forbidden: the page still holds the log
    }
  }

  // Send what is not acknowledged; resolves when that worked or failed once.
  async flush() {
    if (this.sending || !this.log.length) return;
    clearTimeout(this.timer);
    this.sending = true;
    try {
      const acknowledged = await this.post(this.log.slice(0, BLOCK));
      this.log = this.log.filter((event) => event.seq > acknowledged);
      this.failures = 0;
      this.refused = "";
      this.store();
    } catch (error) {
      this.failures += 1;
      this.refused = error instanceof Refused ? error.message : "";
      this.timer = setTimeout(() => this.flush(), Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.failures - 1)));
    } finally {
      this.sending = false;
    }
    this.onChange();
    if (!this.failures) await this.flush();
  }

  // Resolves when all is acknowledged, or when that takes too long to wait for.
  async settled() {
    for (let waited = 0; this.log.length && waited < PATIENCE; waited += STEP) {
      await new Promise((wake) => setTimeout(wake, STEP));
    }
  }

  async post(decisions) {
    const { workspace, client, reviewer } = this;
    const body = JSON.stringify({ workspace, client, reviewer, decisions });
    const response = await fetch("/api/decisions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      keepalive: body.length < KEEPALIVE_BYTES,
      body,
    });
    const answer = await response.json();
    if (!response.ok) throw new Refused(answer.error);
    return answer.acknowledged;
  }
}

class Refused extends Error {}

// Send what pages that are gone left behind. Resolves once every log that no living page holds was tried; the logs of
// living pages are taken over when those close.
export async function adoptLogs(workspace, onChange, onAdopt) {
  const left = Object.keys(localStorage).filter((key) => key.startsWith(prefix(workspace)));
  await Promise.all(
    left.map(async (key) => {
      const free = await navigator.locks.request(key, { ifAvailable: true }, (lock) => lock !== null);
      const adopted = adopt(workspace, key, onChange, onAdopt);
      if (free) await adopted;
    }),
  );
}

async function adopt(workspace, key, onChange, onAdopt) {
  const client = key.slice(prefix(workspace).length);
  await navigator.locks.request(key, () => {}); // wait until its page is gone
  const stored = JSON.parse(localStorage.getItem(key) ?? "null");
  if (!stored) return;
  const outbox = new Outbox(workspace, stored.reviewer, onChange, client);
  outbox.log = stored.log;
  onAdopt(outbox);
  await outbox.flush();
}
