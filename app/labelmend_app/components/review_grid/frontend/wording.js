// Every sentence of the review grid. Names of classes and files never pass through here as markup.

const VOWEL = /^([aeiou]|8|11$|18$)/i;
const LATIN = /^[\p{Script=Latin}\p{N}]/u;

// "a", "an", or nothing where English has no article to offer.
const article = (name) => (LATIN.test(name) ? (VOWEL.test(name) ? "an " : "a ") : "");

export const QUESTION = {
  missing: (name) => [`Is there ${article(name)}`, " in these?"],
  spurious: (name) => [`These are labelled `, ": is it really not there?"],
};

export const HINT = {
  missing: "They are not labelled so, and the model thinks that they should be.",
  spurious: "The model thinks that the label is wrong.",
};

export const ACTIONS = {
  accept: { key: "A", label: { missing: "Accept: it is there", spurious: "Accept: not there" }, done: "accepted" },
  reject: { key: "R", label: { missing: "Reject: not there", spurious: "Reject: it is there" }, done: "rejected" },
  unsure: { key: "U", label: { missing: "Unsure", spurious: "Unsure" }, done: "unsure" },
  skip: { key: "S", label: { missing: "Skip", spurious: "Skip" }, done: "skipped" },
};

export const KEYS = [
  ["← ↑ → ↓", "choose a picture (or point at it)"],
  ["A", "accept the suggestion"],
  ["R", "reject the suggestion"],
  ["U", "unsure: somebody else may know"],
  ["S", "skip: ask again later"],
  ["Enter", "accept what is undecided on this page, and go on"],
  ["Shift + Enter", "reject what is undecided on this page, and go on"],
  ["Backspace, Ctrl + Z", "take the last step back, as often as you like"],
  ["Space", "large picture, and back"],
  ["Page up, Page down", "look at another page without answering"],
  ["Click", "accept; again: reject"],
  ["?", "this list"],
];

export const percent = (value) => (value === null ? "?" : `${Math.round(100 * value)} %`);

// "out of sample p 0.91 · flip epoch 3"; the given label is said elsewhere, by name
export function reasons(item) {
  return Object.entries(item.reason)
    .filter(([name, value]) => value !== null && name !== "given_label")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? +value.toFixed(3) : value}`)
    .join(" · ");
}

export const certainty = (item, kind) =>
  `${percent(item.error_probability)} likely ${kind === "missing" ? "a missing label" : "a wrong label"}`;

export function minutes(value) {
  if (value < 1) return "less than a minute left";
  if (value < 90) return `about ${Math.round(value)} min left`;
  return `about ${(value / 60).toFixed(1)} h left`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

// unsaved: how many events; failing: whether the last attempt failed; refused: the server's sentence, if it said one.
export function savedSentence({ unsaved, failing, refused }) {
  if (refused) return `${unsaved} not saved: ${refused}`;
  if (failing) return `${unsaved} not saved yet; go on, they are kept`;
  return unsaved ? "saving …" : "all saved";
}
