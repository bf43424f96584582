/** What a key means in a tree: WAI-ARIA Authoring Practices, "Tree View", and the keys of vim and dive. */
export type TreeAction =
  | { type: 'move'; to: number }
  | { type: 'fold'; open: boolean }
  | { type: 'parent' }
  | { type: 'choose' }
  | { type: 'layer'; by: number }
  | { type: 'filter' | 'sort' | 'deleted' | 'waste' | 'touched' | 'copy' | 'help' };

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
    case 'j':
      return { type: 'move', to: s.at + 1 };
    case 'ArrowUp':
    case 'k':
      return { type: 'move', to: s.at - 1 };
    case 'PageDown':
      return { type: 'move', to: s.at + s.page };
    case 'PageUp':
      return { type: 'move', to: s.at - s.page };
    case 'Home':
    case 'g':
      return { type: 'move', to: 0 };
    case 'End':
    case 'G':
      return { type: 'move', to: s.count - 1 };
    case 'ArrowRight':
    case 'l':
      if (!s.folder) return null;
      return s.open ? { type: 'move', to: s.at + 1 } : { type: 'fold', open: true };
    case 'ArrowLeft':
    case 'h':
      return s.folder && s.open ? { type: 'fold', open: false } : { type: 'parent' };
    case 'Enter':
      return { type: 'choose' };
    case ' ':
      return s.folder ? { type: 'fold', open: !s.open } : { type: 'choose' };
    case '[':
      return { type: 'layer', by: -1 };
    case ']':
      return { type: 'layer', by: 1 };
    default:
      return commands[e.key] ?? null;
  }
}

const commands: Record<string, TreeAction> = {
  '/': { type: 'filter' },
  s: { type: 'sort' },
  d: { type: 'deleted' },
  w: { type: 'waste' },
  x: { type: 'touched' },
  y: { type: 'copy' },
  '?': { type: 'help' },
};
