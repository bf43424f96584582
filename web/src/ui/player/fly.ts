/** Lets a frame fly from a rectangle to an element; for readers who want less motion nothing moves. */
export function fly(from: DOMRect, to: Element | null, milliseconds: number): void {
  if (!to || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const end = to.getBoundingClientRect();
  to.animate(
    [
      {
        transform: `translate(${from.left - end.left}px, ${from.top - end.top}px) scale(${from.width / Math.max(1, end.width)}, 1)`,
        transformOrigin: 'left top',
        opacity: 0.7,
      },
      { transform: 'none', transformOrigin: 'left top', opacity: 1 },
    ],
    { duration: milliseconds, easing: 'ease-in-out' },
  );
}
