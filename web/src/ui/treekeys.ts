/** What a key means in a tree (WAI-ARIA Authoring Practices, "Tree View"). */
export type TreeAction =
  | { type: 'move'; to: number }
  | { type: 'fold'; open: boolean }
  | { type: 'parent' }
  | { type: 'choose' }
  | { type: 'type'; letter: string };

export interface TreeState {
  at: number;
  page: number;
  count: number;
  open: boolean;
  folder: boolean;
}

type Key = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'altKey' | 'metaKey'>;

export function treeKeys(e: Key, s: TreeState): TreeAction | null {
  if (e.ctrlKey || e.altKey || e.metaKey) return null;
  switch (e.key) {
    case 'ArrowDown':
      return { type: 'move', to: s.at + 1 };
    case 'ArrowUp':
      return { type: 'move', to: s.at - 1 };
    case 'PageDown':
      return { type: 'move', to: s.at + s.page };
    case 'PageUp':
      return { type: 'move', to: s.at - s.page };
    case 'Home':
      return { type: 'move', to: 0 };
    case 'End':
      return { type: 'move', to: s.count - 1 };
    case 'ArrowRight':
      if (!s.folder) return null;
      return s.open ? { type: 'move', to: s.at + 1 } : { type: 'fold', open: true };
    case 'ArrowLeft':
      return s.folder && s.open ? { type: 'fold', open: false } : { type: 'parent' };
    case 'Enter':
    case ' ':
      return { type: 'choose' };
    default:
      return e.key.length === 1 ? { type: 'type', letter: e.key.toLowerCase() } : null;
  }
}
