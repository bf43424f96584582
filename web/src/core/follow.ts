import { holds } from './diff.ts';
import { extra, type ImageIndex, nodeName } from './index.ts';
import { Kind } from './kinds.ts';
import { nameOf } from './names.ts';

/** Where the kernel stops: 40 links on the way are a loop (path_resolution(7)). */
const mostLinks = 40;

/**
 * The node that a path leads to after a layer when links are followed as in a
 * container, the last one included; -1 where nothing is there, or a loop.
 */
export function follow(index: ImageIndex, layer: number, from: number, path: string): number {
  const todo = path.split('/').reverse();
  let node = path.startsWith('/') ? 0 : from;
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      node = Math.max(0, index.parent[node]);
      continue;
    }
    const child = childOf(index, node, name);
    const k = child < 0 ? -1 : holds(index, child, layer);
    if (k < 0) return -1;
    if (index.versions.kind[k] !== Kind.symlink) {
      node = child;
      continue;
    }
    if (++links > mostLinks) return -1;
    const target = nameOf(extra(index, k).target ?? new Uint8Array());
    if (target.startsWith('/')) node = 0;
    todo.push(...target.split('/').reverse());
  }
  return node;
}

function childOf(index: ImageIndex, folder: number, name: string): number {
  for (let i = folder + 1; i < index.end[folder]; i = index.end[i]) if (nodeName(index, i) === name) return i;
  return -1;
}
