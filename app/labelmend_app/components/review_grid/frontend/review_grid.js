// The review grid: keys and buttons on one side, the review's state and its outboxes on the other.
//
// Streamlit calls the default export at every data update and on every mount; this module is loaded once a document.
// So what must outlive a rerun (answers, undo, unsent decisions, the one key listener) lives in this module.

import { adoptLogs, Outbox } from "./outbox.js";
import { Review } from "./review.js";
import { View } from "./view.js";
import { ACTIONS } from "./wording.js";

const REVIEWER = "labelmend.reviewer";
const PAGE_SIZE = "labelmend.page_size";
const GLANCE = 300; // nobody has looked at a page that came so few milliseconds ago

const outboxes = new Set();
const reviews = new Map(); // queue -> Review
const adopted = new Map(); // workspace -> promise that logs of pages that are gone were tried
let view, review, outbox, data, trigger;

export default async function mount(component) {
  const root = component.parentElement.querySelector(".review-grid");
  const shown = component.data;
  data = shown;
  trigger = component.setTriggerValue;
  const name = [shown.workspace, shown.run, shown.class_index, shown.kind].join();
  const fresh = view?.root !== root || view.name !== name;
  if (fresh) {
    view = Object.assign(new View(root, shown, act), { name });
    view.reviewer.value = localStorage.getItem(REVIEWER) ?? shown.reviewer;
    review = null;
  }
  view.data = shown;
  if (outbox?.workspace !== shown.workspace) openOutbox();
  if (!adopted.has(shown.workspace)) {
    adopted.set(shown.workspace, adoptLogs(shown.workspace, paint, (log) => outboxes.add(log)));
  }
  await adopted.get(shown.workspace); // so that what was answered before a reload is not asked again
  if (!reviews.has(name)) {
    reviews.set(name, new Review(shown, () => outbox, Number(localStorage.getItem(PAGE_SIZE)) || 24, paint));
  }
  if (view.name !== name) return; // another queue was opened meanwhile
  review = reviews.get(name);
  if (fresh) {
    paint();
    act.focus();
  }
}

function openOutbox() {
  outbox = new Outbox(data.workspace, view.reviewer.value.trim() || data.reviewer, paint);
  outboxes.add(outbox);
}

function paint() {
  if (!review || !view?.root.isConnected) return;
  const unsaved = [...outboxes].reduce((sum, box) => sum + box.unsaved, 0);
  const failing = [...outboxes].some((box) => box.failures);
  const refused = [...outboxes].find((box) => box.refused)?.refused ?? "";
  view.paint(review, { unsaved, failing, refused });
  if (view.mayFocus) view.focus();
}

const act = {
  answer(answer, advance = true) {
    const item = review.current;
    if (!item) return;
    if (view.awaits(item) && ["accept", "reject"].includes(answer)) return; // nobody can have seen it
    review.answer(item, answer);
    if (advance) review.move(1);
    paint();
    view.say(`${ACTIONS[answer].done}: ${item.image_id}`);
  },
  commit(answer) {
    if (review.finished) return;
    const loading = review.page.filter((item) => view.awaits(item)).length;
    if (!review.page.length || loading) {
      view.say(`Wait: ${loading} pictures are still loading.`);
      return;
    }
    if (performance.now() - view.shownAt < GLANCE) return; // Enter pressed twice must not accept a page unseen
    review.commit(answer, (item) => view.sees(item));
    paint();
    view.say(review.finished ? "The end of this queue" : "Next page");
  },
  undo() {
    view.say(review.undo() ? "Taken back" : "There is nothing to take back on this page.");
    paint();
  },
  choose(item) {
    if (item === review.current) return;
    review.moveTo(item);
    paint();
  },
  move(by) {
    review.move(by);
    paint();
  },
  turn(by) {
    review.turn(by);
    paint();
  },
  enlarge() {
    view.large.toggle(review.current);
    paint();
  },
  help() {
    if (view.keys.open) view.keys.close();
    else view.keys.showModal();
  },
  restart() {
    review.restart();
    paint();
  },
  next() {
    if (data.next) trigger("next", { class_index: data.next.class_index, kind: data.next.kind });
  },
  resize(pageSize) {
    localStorage.setItem(PAGE_SIZE, String(pageSize));
    review.pageSize = pageSize;
    review.load();
    view.shown = null;
    paint();
    act.focus();
  },
  rename(name) {
    const reviewer = name.trim();
    if (reviewer) localStorage.setItem(REVIEWER, reviewer);
    else localStorage.removeItem(REVIEWER);
    view.reviewer.value = reviewer || data.reviewer;
    openOutbox(); // a log has one reviewer
    act.focus();
  },
  focus() {
    if (review) view.focus();
  },
};

const ACTION_OF = Object.fromEntries(Object.entries(ACTIONS).map(([name, { key }]) => [key.toLowerCase(), name]));

// Return what a key does, null when it is not ours; `held` keys repeat only what moves.
function command({ key, code, shiftKey, ctrlKey, metaKey, altKey, repeat }) {
  const letter = /^[a-z]$/i.test(key) ? key.toLowerCase() : code.replace(/^Key/, "").toLowerCase();
  if (altKey) return null;
  if (ctrlKey || metaKey) return letter === "z" && !shiftKey ? act.undo : null;
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: view.columns, ArrowUp: -view.columns };
  if (key in moves) return () => act.move(moves[key]);
  if (key === "Backspace") return act.undo;
  if (key === "?") return act.help;
  const once = (run) => (repeat ? () => {} : run);
  if (letter in ACTION_OF) return once(() => act.answer(ACTION_OF[letter]));
  if (key === "Enter" && review.finished) return once(act.next);
  if (key === "Enter") return once(() => act.commit(shiftKey ? "reject" : "accept"));
  if (key === " ") return once(act.enlarge);
  if (key === "PageDown") return () => act.turn(1);
  if (key === "PageUp") return () => act.turn(-1);
  return null;
}

// In the capture phase of the window, before Streamlit's own keys: it reruns at R and clears its cache at C.
addEventListener(
  "keydown",
  (event) => {
    if (!review || !view?.root.isConnected || event.isComposing) return;
    const [target] = event.composedPath();
    const ours = event.composedPath().includes(view.root);
    const around = target === document || target.contains?.(view.root.getRootNode().host);
    if (!ours && !around) return;
    if (target.matches?.("input, select, textarea")) return;
    if (target.matches?.("button") && [" ", "Enter"].includes(event.key)) return;
    if (view.keys.open && event.key !== "?") return;
    const run = command(event);
    if (!run) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    run();
  },
  true,
);
