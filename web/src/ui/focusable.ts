// focusable is an attachment: what scrolls can be reached by keyboard.
export function focusable(node: HTMLElement): void {
  node.tabIndex = 0;
}
