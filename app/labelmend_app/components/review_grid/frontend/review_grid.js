// The review grid: keys and buttons on one side, the review's state and its outboxes on the other.
//
// Streamlit calls the default export at every data update and on every mount; this module is loaded once a document.
// So what must outlive a rerun (answers, undo, unsent decisions, the one key listener) lives in this module.

import { ImageReview, ImageView } from "./by_image.js";
import { keymap } from "./keymap.js";
import { adoptLogs, Outbox } from "./outbox.js";
import { Review } from "./review.js";
import { View } from "./view.js";
import { ACTIONS } from "./wording.js";

const PAGE_SIZE = "labelmend.page_size";
const WHERE = "labelmend.where";
const ZOOM = "labelmend.zoom";
const GLANCE = 300; // nobody has looked at a page that came so few milliseconds ago

const outboxes = new Set();
const reviews = new Map(); // queue -> Review
const adopted = new Map(); // workspace -> promise that logs of pages that are gone were tried
let view, review, outbox, data, trigger, mode;

export default async function mount(component) {
  const root = component.parentElement.querySelector(".review-grid");
  const shown = component.data;
  data = shown;
  trigger = component.setTriggerValue;
  const pick = new URLSearchParams(shown.pick).toString();
  const name = [shown.workspace, shown.run, shown.by, shown.class_index, shown.kind, shown.blind, shown.reviewer, pick].join();
  const fresh = view?.root !== root || view.name !== name;
  if (fresh) {
    view = Object.assign(new (shown.by === "image" ? ImageView : View)(root, shown, act), { name });
    review = null;
    root.inert = true; // until it is known what was answered: nothing to click on meanwhile
  }
  view.data = shown;
  // A log has one reviewer: what is not yet sent stays with whoever answered it.
  if (outbox?.workspace !== shown.workspace || outbox.reviewer !== shown.reviewer) openOutbox();
  if (!adopted.has(shown.workspace)) {
    adopted.set(shown.workspace, adoptLogs(shown.workspace, paint, (log) => outboxes.add(log)));
  }
  await adopted.get(shown.workspace); // so that what was answered before a reload is not asked again
  await forgetOtherModes([shown.by, shown.blind, pick, shown.decided_elsewhere].join());
  if (!reviews.has(name)) {
    const kind = shown.by === "image" ? ImageReview : Review;
    reviews.set(name, new kind(shown, () => outbox, Number(localStorage.getItem(PAGE_SIZE)) || 24, paint));
  }
  if (view.name !== name) return; // another queue was opened meanwhile
  review = reviews.get(name);
  if (fresh) {
    review.queue = shown; // what Enter does by now, as the buttons of this view say
    root.inert = false;
    paint();
    act.focus();
  }
}

// What was answered one image at a time, of another pick or for many at once is not to be asked again: ask anew.
async function forgetOtherModes(now) {
  if (mode === now) return;
  const first = mode === undefined;
  mode = now;
  reviews.clear();
  if (!first) await outbox.settled();
}

function openOutbox() {
  outbox = new Outbox(data.workspace, data.reviewer, paint);
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
  // What the reviewer wants to see, on every page and the next time.
  looks: { where: localStorage.getItem(WHERE) === "on", zoom: localStorage.getItem(ZOOM) === "on" },
  answer(answer, advance = true) {
    const item = review.current;
    if (!item) return;
    if (view.awaits(item) && ["accept", "reject"].includes(answer)) {
      view.say("Wait: this picture is still loading."); // nobody can have seen it
      return;
    }
    review.answer(item, answer);
    if (advance) review.move(1);
    paint();
    view.say(`${ACTIONS[answer].done}: ${item.class_name ?? item.image_id}`);
  },
  // Answer what is undecided as expected, or the contrary, and go on.
  commit(contrary = false) {
    if (review.finished) return;
    const loading = review.page.filter((item) => view.awaits(item)).length;
    if (!review.page.length || loading) {
      view.say(`Wait: ${loading} pictures are still loading.`);
      return;
    }
    if (performance.now() - view.shownAt < GLANCE) return; // Enter pressed twice must not accept a page unseen
    review.commit(contrary, (item) => view.sees(item));
    view.standing.changed();
    paint();
    view.say(review.finished ? "The end of this queue" : "Next page");
  },
  // Turn the answer to one class of the image round.
  digit(place) {
    const item = review.page[place];
    if (!item || view.awaits(item)) return;
    review.moveTo(item);
    act.answer(review.turned(item), false);
  },
  undo() {
    view.say(review.undo() ? "Taken back" : "There is nothing to take back on this page.");
    view.standing.changed();
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
  where() {
    if (!review.current || cannotLook()) return;
    const { looks } = act;
    looks.where = !(looks.where && view.large.open);
    localStorage.setItem(WHERE, looks.where ? "on" : "off");
    view.heat.retry(review.current);
    if (!view.large.open) view.large.toggle(review.current);
    paint();
  },
  zoom() {
    if (cannotLook()) return;
    act.looks.zoom = !act.looks.zoom;
    localStorage.setItem(ZOOM, act.looks.zoom ? "on" : "off");
    view.arrange();
    paint();
    view.say(act.looks.zoom ? "Zoomed in on it" : "Whole pictures");
  },
  help() {
    view.keys.toggle();
  },
  byImage() {
    trigger("by", data.by === "image" ? "class" : "image");
  },
  guidelines() {
    view.guidelines.toggle();
  },
  async example() {
    const item = review.current;
    if (!view.large.open || !item) {
      view.say("Open the large picture first, to see what is made an example.");
      return;
    }
    const said = await view.guidelines.example(item.class_index ?? data.class_index, item);
    view.large.note.textContent = said;
  },
  blind() {
    trigger("blind", data.blind ? "off" : "on");
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
    view.pageSize.blur(); // the keys are the page's again, also where it is still loading
    act.focus();
  },
  focus() {
    if (review) view.focus();
  },
};

// Say why the run has no heat maps, if it has none.
function cannotLook() {
  const { unavailable } = view.heat;
  if (unavailable === null) return false;
  const sentence = unavailable || "Wait: nobody knows yet whether the run has heat maps.";
  view.say(sentence);
  view.large.note.textContent = sentence; // who reads the large picture does not hear the page behind it
  return true;
}

const RUN = {
  ...Object.fromEntries(Object.keys(ACTIONS).map((name) => [name, () => act.answer(name)])),
  commit: () => (review.finished ? act.next() : act.commit()),
  contrary: () => act.commit(true),
  undo: () => act.undo(),
  large: () => act.enlarge(),
  where: () => act.where(),
  zoom: () => act.zoom(),
  byImage: () => act.byImage(),
  blind: () => act.blind(),
  guidelines: () => act.guidelines(),
  example: () => act.example(),
  next: () => act.turn(1),
  previous: () => act.turn(-1),
  help: () => act.help(),
};
const REPEATED = ["undo", "next", "previous"]; // by a key that is held

// Return what a key does, null when it is not ours.
function command(event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
  if (altKey) return null;
  const name = keymap.nameOf(event);
  if (ctrlKey || metaKey) return name === "z" && !shiftKey ? act.undo : null;
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: view.columns, ArrowUp: -view.columns };
  if (key in moves) return () => act.move(moves[key]);
  const once = (run) => (repeat ? () => {} : run);
  if (data.by === "image" && /^[0-9]$/.test(key)) return once(() => act.digit((Number(key) + 9) % 10));
  const found = keymap.commandOf(name);
  if (!found) return null;
  return REPEATED.includes(found) ? RUN[found] : once(RUN[found]);
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
    if (view.keys.waiting) {
      event.preventDefault();
      event.stopImmediatePropagation();
      view.keys.pressed(event);
      return;
    }
    if (target.matches?.("input, select, textarea")) return;
    if (target.matches?.("button") && [" ", "Enter"].includes(event.key)) return;
    if (view.keys.open && keymap.commandOf(keymap.nameOf(event)) !== "help") return;
    const run = command(event);
    if (!run) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    run();
  },
  true,
);
