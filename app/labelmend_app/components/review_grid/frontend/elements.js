// Building DOM without markup: every string becomes text or an attribute, whatever it holds.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// A name from somebody's file: isolated, so that right-to-left text does not turn the sentence around it.
export const given = (name, className = "") => element("bdi", { className, title: name }, name);

// As `element`, in a drawing: SVG takes attributes only.
export function drawing(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
