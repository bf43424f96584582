/** Where a box of a map lies, in pixels. */
export interface Place {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

const label = { width: 36, height: 16 };

/** Where a box's label stands: a box that holds others is met there, not in the middle of them. */
const at = (p: Place): [number, number] => [
  p.x0 + Math.min(p.x1 - p.x0, label.width) / 2,
  p.y0 + Math.min(p.y1 - p.y0, label.height) / 2,
];

// How far a point lies in the direction of a key, and how far beside it.
const ways: Record<string, (dx: number, dy: number) => [number, number]> = {
  ArrowRight: (dx, dy) => [dx, dy],
  ArrowLeft: (dx, dy) => [-dx, dy],
  ArrowDown: (dx, dy) => [dy, dx],
  ArrowUp: (dx, dy) => [-dy, dx],
};

/** The box that a key leads to from the one at `from`: `from` itself where there is none, null for another key. */
export function boxAt(boxes: readonly Place[], from: number, key: string): number | null {
  if (key === 'Home') return 0;
  if (key === 'End') return boxes.length - 1;
  const way = Object.hasOwn(ways, key) ? ways[key] : null;
  if (!way) return null;
  const [x, y] = at(boxes[from]);
  let best = from;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, box] of boxes.entries()) {
    const [bx, by] = at(box);
    const [ahead, beside] = way(bx - x, by - y);
    const far = ahead + 3 * Math.abs(beside);
    if (ahead > 0 && far < least) {
      best = i;
      least = far;
    }
  }
  return best;
}
