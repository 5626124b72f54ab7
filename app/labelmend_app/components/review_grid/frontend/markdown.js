// A small and harmless part of Markdown as DOM: headings, lists, emphasis, code, links to http(s). Whatever else a
// text holds (HTML, images, other addresses) is shown as the text that it is.

import { element } from "./elements.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|(?<!!)\[([^\]]+)\]\((https?:\/\/[^\s()<>"]+)\)/g;
const HEADING = /^(#{1,4})\s+(.+)$/;
const BULLET = /^\s*[-*+]\s+(.+)$/;
const NUMBER = /^\s*\d{1,3}[.)]\s+(.+)$/;

// Return the nodes of a text.
export function rendered(text) {
  const nodes = [];
  let lines = []; // of the paragraph that is being read
  const close = () => {
    if (lines.length) nodes.push(element("p", {}, ...inline(lines.join(" "))));
    lines = [];
  };
  for (const line of text.split(/\r?\n/)) {
    const heading = HEADING.exec(line);
    const [tag, item] = BULLET.test(line) ? ["ul", BULLET.exec(line)[1]] : NUMBER.test(line) ? ["ol", NUMBER.exec(line)[1]] : [];
    if (!heading && !tag && line.trim()) {
      lines.push(line.trim());
      continue;
    }
    const before = lines.length ? null : nodes[nodes.length - 1];
    close();
    if (heading) nodes.push(element("h5", {}, ...inline(heading[2])));
    if (tag) {
      const list = before?.localName === tag ? before : element(tag);
      if (list !== before) nodes.push(list);
      list.append(element("li", {}, ...inline(item)));
    }
  }
  close();
  return nodes;
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    parts.push(text.slice(at, found.index));
    at = found.index + found[0].length;
    const [, code, strong, emphasis, label, href] = found;
    if (code) parts.push(element("code", {}, code));
    else if (strong) parts.push(element("strong", {}, strong));
    else if (emphasis) parts.push(element("em", {}, emphasis));
    else parts.push(element("a", { href, target: "_blank", rel: "noopener noreferrer" }, label));
  }
  return [...parts, text.slice(at)];
}
