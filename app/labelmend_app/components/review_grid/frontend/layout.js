// How large the pictures may be so that a whole page is seen at once.

export const GAP = 8;
export const CAPTION = 22;
const SMALLEST = 104;

// Return {columns, side}: the largest squares of which `count` fit into width x height; never below SMALLEST.
export function arrange(count, width, height) {
  let best = { columns: 1, side: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const wide = (width - GAP * (columns - 1)) / columns;
    const high = (height - GAP * (rows - 1)) / rows - CAPTION;
    const side = Math.floor(Math.min(wide, high));
    if (side > best.side) best = { columns, side };
  }
  if (best.side >= SMALLEST || width < SMALLEST) return best;
  const columns = Math.max(1, Math.floor((width + GAP) / (SMALLEST + GAP)));
  return { columns, side: Math.floor((width - GAP * (columns - 1)) / columns) };
}

// The smallest thumbnail that is sharp at this size on this screen.
export function thumbnailSide(side, sides) {
  return sides.find((offered) => offered >= side * devicePixelRatio) ?? sides[sides.length - 1];
}

// How far the page around the grid is scrolled, so that the size of the pictures does not depend on it.
export function scrollTop(root) {
  let scrolled = 0;
  for (let at = root.getRootNode().host ?? root; at; at = at.parentElement) scrolled += at.scrollTop;
  return scrolled;
}
