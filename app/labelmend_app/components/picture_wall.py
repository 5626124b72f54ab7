"""A wall of thumbnails with a line or two under each; a click shows the whole picture. It decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Picture:
    """One picture of the wall.

    Attributes:
        image: its index in the workspace.
        name: of the image; text, whatever it looks like.
        lines: what is said under the name.
        colour: of the mark before the first line, as CSS writes it.
    """

    image: int
    name: str
    lines: tuple[str, ...]
    colour: str


_CSS = """
.wall { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 0.75rem; margin: 0;
        padding: 2px; list-style: none; color: var(--st-text-color); font: 0.8125rem/1.35 var(--st-font); }
.wall li { min-width: 0; }
.wall button { all: unset; box-sizing: border-box; display: block; width: 100%; cursor: zoom-in;
               border-radius: var(--st-base-radius); }
.wall button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.wall img { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain;
            background: var(--st-secondary-background-color); border-radius: var(--st-base-radius); }
.wall p { margin: 0.15rem 0 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wall p + p { margin: 0; color: color-mix(in srgb, var(--st-text-color) 65%, transparent); }
.mark { display: inline-block; width: 0.6em; height: 0.6em; margin-right: 0.4em; border-radius: 50%; }
dialog { border: 0; padding: 1rem; max-width: 96vw; max-height: 96vh; color: var(--st-text-color);
         background: var(--st-background-color); border-radius: var(--st-base-radius);
         font: 0.9375rem/1.4 var(--st-font); text-align: center; cursor: zoom-out; }
dialog::backdrop { background: #000b; }
dialog img { display: block; min-width: min(50vw, 50vh); max-width: 92vw; max-height: 82vh; margin: auto;
             object-fit: contain; }
dialog p { margin: 0.6rem 0 0; overflow-wrap: anywhere; }
"""
_JS = """
const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
export default ({ data, parentElement }) => {
  const [wall, dialog] = [parentElement.querySelector(".wall"), parentElement.querySelector("dialog")];
  const drawn = JSON.stringify(data);
  if (wall.drawn === drawn) return;  // called again with the same pictures
  wall.drawn = drawn;
  dialog.onclick = () => dialog.close();
  const { workspace, side, pictures } = data;
  wall.replaceChildren(...pictures.map(({ image, name, lines, colour }) => {
    const src = `/api/thumbnail/${image}?side=${side}&workspace=${workspace}`;
    const about = [name, ...lines].join(", ");
    const button = make("button", { type: "button", title: about },
      make("img", { src, alt: about, loading: "lazy" }), make("p", { dir: "auto" }, name));
    for (const [i, line] of lines.entries()) {
      const mark = make("span", { className: "mark" });
      mark.style.background = colour;
      button.append(make("p", {}, ...(i ? [] : [mark]), line));
    }
    button.onclick = () => {
      dialog.replaceChildren(make("img", { src: `/api/image/${image}?workspace=${workspace}`, alt: name }),
        make("p", { dir: "auto" }, about));
      dialog.showModal();
    };
    return make("li", {}, button);
  }));
};
"""
_mount = st.components.v2.component(
    "labelmend.picture_wall", html='<ul class="wall"></ul><dialog tabindex="-1"></dialog>', css=_CSS, js=_JS
)


def picture_wall(pictures: Sequence[Picture], *, workspace_key: str, key: str, side: int = 240) -> None:
    """Show the wall.

    Args:
        pictures: in their order.
        workspace_key: as the server's routes know the workspace.
        key: of the component on its screen.
        side: of the thumbnails, one of those that the server makes.
    """
    plain = [
        {"image": int(p.image), "name": str(p.name), "lines": [str(line) for line in p.lines], "colour": p.colour}
        for p in pictures
    ]
    _mount(key=key, data={"workspace": workspace_key, "side": int(side), "pictures": plain}, height="content")
