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
  accept: { label: { missing: "Accept: it is there", spurious: "Accept: not there", any: "Accept" }, done: "accepted" },
  reject: { label: { missing: "Reject: not there", spurious: "Reject: it is there", any: "Reject" }, done: "rejected" },
  unsure: { label: { missing: "Unsure", spurious: "Unsure", any: "Unsure" }, done: "unsure" },
  skip: { label: { missing: "Skip", spurious: "Skip", any: "Skip" }, done: "skipped" },
};

export const BY_IMAGE_HINT = "All suggestions of one image, the images with the most errors expected first.";

// What a suggestion is for one class in one image.
export const CLAIM = {
  missing: ["add ", "?"],
  spurious: ["remove ", "?"],
};

// "present", or what Enter would make of it.
export function shownAnswer(answer, expected, kind) {
  const meaning = { missing: { accept: "present", reject: "absent" }, spurious: { accept: "absent", reject: "present" } }[kind];
  if (!answer) return `Enter: ${meaning[expected]}`;
  return meaning[answer] ?? ACTIONS[answer].done;
}

export const NOTHING = {
  class: "There are no suggestions of this kind for this class.",
  image: "No image has an open suggestion that is asked here; what is left is asked class by class.",
};

export const heldSentence = (n) =>
  `${count(n, "suggestion is", "suggestions are")} before another reviewer just now: go on elsewhere, or look again later.`;

export const PICKED_DONE = "All that you picked is answered";

export const percent = (value) => (value === null ? "?" : `${Math.round(100 * value)} %`);

const SCORES = {
  labelling: "how labels came about",
  training_dynamics: "training",
  neighbours: "most similar images",
  kernel_machine: "all similar images",
  other_labels: "its other labels",
  expected_others: "how much it shows",
};

// The first score is p; whether the network had seen the image, the source of p says.
export function scoreName(name, source) {
  if (name === "out_of_sample") return source?.startsWith("out") ? "p of unseen images" : "p in the training";
  return SCORES[name] ?? name.replaceAll("_", " ");
}

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

// "evidence: its other labels +1.2, training −0.3": what each score adds to the log-odds of an error, strongest first.
function evidence({ scores, p_source }) {
  const strongest = Object.entries(scores).sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  return `evidence: ${strongest.map(([name, value]) => `${scoreName(name, p_source)} ${signed(value)}`).join(", ")}`;
}

const FACTS = {
  mean_p: "mean p of the training",
  deviation_p: "its deviation",
  flip_epoch: "p first above τ in epoch", // the file counts from 0, people from 1
};

// "p of unseen images 0.91 · mean p of the training 0.7 · its deviation 0.1"; the given label is said elsewhere, by name
export function facts(item) {
  const { given_label, scores, p_source, p, ...others } = item.reason ?? {};
  const unseen = p_source?.startsWith("out");
  const same = !unseen && Math.abs(p - others.mean_p) < 0.001; // p is that mean: one figure is enough
  const known = same ? others : { [unseen ? "p of unseen images" : "p"]: p, ...others };
  return Object.entries(known)
    .filter(([, value]) => (value ?? null) !== null)
    .map(([name, value]) => [FACTS[name] ?? name.replaceAll("_", " "), name === "flip_epoch" ? value + 1 : value])
    .map(([name, value]) => `${name} ${typeof value === "number" ? +value.toFixed(3) : value}`)
    .join(" · ");
}

// The same and what the scores say, in one line.
export function reasons(item) {
  const { reason } = item;
  return [facts(item), reason?.scores ? evidence(reason) : ""].filter(Boolean).join(" · ");
}

// "clearly for": what a score adds to the log-odds of an error.
export function weight(value) {
  const size = Math.abs(value);
  if (size < 0.1) return "says little";
  const much = size < 0.5 ? "a little" : size < 1.5 ? "clearly" : "strongly";
  return `${much} ${value < 0 ? "against" : "for"}`;
}

export const curveSentence = (p) =>
  `${percent(p[0])} in the first epoch, ${percent(p[p.length - 1])} in the last of ${p.length}; highest ${percent(Math.max(...p))}.`;

export const labelledSentence = (state) => ({ given: "", added: " added by a reviewer", removed: " removed by a reviewer" })[state];

export const certainty = (item, kind) =>
  `${percent(item.error_probability)} likely ${kind === "missing" ? "a missing label" : "a wrong label"}`;

export function minutes(value) {
  if (value < 1) return "less than a minute left";
  if (value < 90) return `about ${Math.round(value)} min left`;
  return `about ${(value / 60).toFixed(1)} h left`;
}

// "hottest at the upper left": in words for who cannot see the map, beside it for who can.
export function whereSentence(record) {
  if (!record) return "Looking … the first time takes some seconds.";
  if (record.problem) return record.problem;
  const { hottest, values, method } = record.found;
  if (!values.some((value) => value)) return "No place speaks for it more than another.";
  const [left, top, right, bottom] = hottest;
  const third = (low, high, names) => names[Math.min(2, Math.floor(1.5 * (low + high)))];
  const rows = third(top, bottom, ["upper", "", "lower"]);
  const columns = third(left, right, ["left", "", "right"]);
  const at = rows || columns ? `at the ${[rows, columns || (rows && "middle")].filter(Boolean).join(" ")}` : "in the middle";
  return `Hottest ${at} (by ${method})`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

// unsaved: how many events; failing: whether the last attempt failed; refused: the server's sentence, if it said one.
export function savedSentence({ unsaved, failing, refused }) {
  if (refused) return `${unsaved} not saved: ${refused}`;
  if (failing) return `${unsaved} not saved yet; go on, they are kept`;
  return unsaved ? "saving …" : "all saved";
}

// A number with its two leading digits: more would not be true.
function about(value) {
  if (value < 10) return value.toFixed(0);
  const step = 10 ** (Math.floor(Math.log10(value)) - 1);
  return (Math.round(value / step) * step).toLocaleString("en");
}

const FEW = 0.1; // errors a suggestion, below which another queue mends more

// "accepted 82 %, expected 79 %", "41 labels mended", …; numbers: of /api/standing, left: of /api/remaining; null while unknown.
export function standingSentences(numbers, left, kind) {
  const said = [];
  if (numbers?.said) {
    const { said: n, accepted, expected } = numbers;
    said.push(`Accepted ${percent(accepted / n)}${expected === undefined ? "" : `, expected ${percent(expected / n)}`}`);
  }
  if (numbers) said.push(`${count(numbers.mended, "label")} mended in all`);
  if (numbers?.next) {
    const few = numbers.next_mends / numbers.next < FEW ? ": hardly worth it, go on elsewhere" : "";
    said.push(`the next ${numbers.next.toLocaleString("en")} here will mend about ${about(numbers.next_mends)}${few}`);
  }
  if (left?.of_class) said.push(remainSentence(left, kind));
  return said;
}

function remainSentence({ of_class: { n, low, high }, by }, kind) {
  const how = by === "sample" ? "" : " by the probabilities";
  return `about ${about(n)} ${kind} left in this class (90 %: ${about(low)} to ${about(high)})${how}`;
}
