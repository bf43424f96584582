// focusable is an attachment: what scrolls sideways can be reached by keyboard.
export function focusable(node: HTMLElement): void {
  node.tabIndex = 0;
}
