// One class and one kind under review: which pictures, what was answered, how to take it back. Knows no DOM.

// What the two answers say about the label, per kind of suspected error.
const VERDICTS = {
  missing: { accept: "present", reject: "absent", unsure: "unsure", skip: "skip" },
  spurious: { accept: "absent", reject: "present", unsure: "unsure", skip: "skip" },
};
export const CONTRARY = { accept: "reject", reject: "accept" };
const PAGES_AHEAD = 2;
const IDLE = 60_000; // a longer pause between two answers is not counted as work
const RETRY = 1_000;
// What the server has sent to this tab is kept from other reviewers; a reload, or another name in the tab, is none.
export const TAB = (sessionStorage["labelmend.tab"] ??= crypto.randomUUID());

export class Review {
  // queue: {run, class_index, class_name, kind, reviewer, pick}; pick: what cuts the queue, as the address has it; outbox(): where answers go; onChange(): paint again.
  constructor(queue, outbox, pageSize, onChange) {
    Object.assign(this, { queue, outbox, pageSize, onChange });
    this.restart();
  }

  // Ask the database again what is open, from the start.
  restart() {
    this.items = [];
    this.answers = new Map(); // suggestion_id -> {answer, client, seq}
    this.history = []; // one entry a step of the reviewer
    this.cursor = 0;
    this.suggested = this.openBefore = 0;
    this.lastRank = null; // where a picked number of suggestions ends
    this.held = 0; // suggestions that were passed over, because another reviewer has them before them
    this.loaded = this.ended = this.unreachable = false;
    this.times = [];
    this.loading = null;
    return this.load();
  }

  // Fetch until the pages ahead are there; resolves when they are or the queue ends.
  load() {
    this.loading ??= this.fetchAhead().finally(() => (this.loading = null));
    return this.loading;
  }

  async fetchAhead() {
    while (!this.ended && this.items.length < this.pageStart + (1 + PAGES_AHEAD) * this.pageSize) {
      const items = this.items;
      const after = items.length ? items[items.length - 1].rank : 0;
      const limit = (1 + PAGES_AHEAD) * this.pageSize;
      const { run, class_index, kind, blind, pick, reviewer } = this.queue;
      const query = new URLSearchParams({ ...pick, run, class_index, kind, reviewer, tab: TAB, after_rank: after, limit });
      if (blind) query.set("blind", 1);
      if (this.lastRank !== null) query.set("last_rank", this.lastRank);
      await this.fetched(`/api/queue?${query}`, (page) => {
        if (items !== this.items) return; // restarted meanwhile
        if (after === 0) this.opened(page);
        this.arrived(page);
        this.ended = page.items.length < limit;
      });
    }
  }

  // Hand on what the server answers; wait a little where it does not.
  async fetched(address, onPage) {
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`status ${response.status}`);
      onPage(await response.json());
      this.unreachable = false;
    } catch (error) {
      this.unreachable = true;
      this.onChange();
      await new Promise((wake) => setTimeout(wake, RETRY));
    }
    this.onChange();
  }

  // The first page says how much there is.
  opened(page) {
    [this.suggested, this.openBefore, this.lastRank] = [page.suggested, page.open, page.last_rank ?? null];
    this.times.push(Date.now());
    this.loaded = true;
  }

  arrived(page) {
    this.items.push(...page.items);
    this.held += page.held ?? 0;
  }

  get pageStart() {
    return Math.floor(this.cursor / this.pageSize) * this.pageSize;
  }

  get page() {
    return this.items.slice(this.pageStart, this.pageStart + this.pageSize);
  }

  get ahead() {
    const next = this.pageStart + this.pageSize;
    return this.items.slice(next, next + PAGES_AHEAD * this.pageSize);
  }

  get current() {
    return this.items[this.cursor];
  }

  get finished() {
    return this.ended && this.cursor >= this.items.length;
  }

  answerOf(item) {
    return this.answers.get(item.suggestion_id)?.answer ?? null;
  }

  // Move within the page.
  move(by) {
    const last = Math.min(this.pageStart + this.pageSize, this.items.length) - 1;
    const to = this.cursor + by;
    if (to >= this.pageStart && to <= last) this.cursor = to;
  }

  moveTo(item) {
    this.cursor = this.items.indexOf(item);
  }

  // Look at another page; answers nothing.
  turn(by) {
    const to = this.pageStart + by * this.pageSize;
    if (to >= 0 && (to < this.items.length || this.ended)) {
      this.cursor = Math.min(to, this.items.length);
      this.load();
    }
  }

  // Answer one picture.
  answer(item, answer) {
    if (this.answerOf(item) === answer) return;
    this.remember([item]);
    this.set(item, answer);
  }

  // What is expected of one picture: that of the whole queue, so that Enter means one thing all along.
  expected() {
    return this.queue.expects;
  }

  // Answer what is undecided on the page as expected, or the contrary, and go on. `shown(item)` says whether the
  // reviewer could see the picture: what nobody saw is skipped, never accepted.
  commit(contrary, shown) {
    const undecided = this.page.filter((item) => !this.answers.has(item.suggestion_id));
    if (undecided.length) this.remember(undecided);
    for (const item of undecided) {
      const answer = contrary ? CONTRARY[this.expected(item)] : this.expected(item);
      this.set(item, shown(item) ? answer : "skip");
    }
    this.cursor = Math.min(this.pageStart + this.page.length, this.items.length);
    this.load();
  }

  // Take the last step back and return whether there was one.
  undo() {
    const step = this.history.pop();
    if (!step) return false;
    for (const { item, answer } of step.before) this.set(item, answer);
    this.cursor = step.cursor;
    return true;
  }

  remember(items) {
    this.history.push({
      cursor: this.cursor,
      before: items.map((item) => ({ item, answer: this.answerOf(item) })),
    });
  }

  // At most one decision of a picture stands: the earlier one is taken back by name before another is made.
  set(item, answer) {
    const standing = this.answers.get(item.suggestion_id);
    const event = {
      image: item.image,
      class_index: item.class_index ?? this.queue.class_index,
      suggestion_id: item.suggestion_id,
      decided_at: new Date().toISOString(),
    };
    if (standing) {
      const { client, seq } = standing;
      this.outbox().append({ ...event, verdict: "undo", undoes: { client, seq } });
      this.answers.delete(item.suggestion_id);
    }
    if (answer) {
      const sent = this.outbox().append({ ...event, verdict: VERDICTS[item.kind ?? this.queue.kind][answer] });
      this.answers.set(item.suggestion_id, { answer, ...sent });
      this.times.push(Date.now());
    }
  }

  // {accept, reject, unsure, skip, answered, open, suggested, held, perMinute, minutesLeft}; skipped ones stay open.
  get progress() {
    const tally = { accept: 0, reject: 0, unsure: 0, skip: 0 };
    for (const { answer } of this.answers.values()) tally[answer] += 1;
    const now = tally.accept + tally.reject + tally.unsure;
    const open = this.openBefore - now;
    const perMinute = this.speed();
    return {
      ...tally,
      open,
      suggested: this.suggested,
      answered: this.suggested - open,
      perMinute,
      held: this.held,
      minutesLeft: perMinute ? open / perMinute : null,
    };
  }

  // Answers a minute while working, null before there is something to measure.
  speed() {
    const { times } = this;
    let worked = 0;
    for (let i = 1; i < times.length; i += 1) worked += Math.min(times[i] - times[i - 1], IDLE);
    return worked > 3_000 && times.length >= 10 ? (60_000 * (times.length - 1)) / worked : null;
  }
}
