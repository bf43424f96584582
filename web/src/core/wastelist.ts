import { extra, type ImageIndex, nodeName, nodePath } from './index.ts';
import { type Hider, hiderOf, type Waste } from './waste.ts';

/** A finding, ready to be read. */
export interface WasteLine {
  version: number;
  path: string;
  bytes: number;
  /** The layer that holds the bytes. */
  layer: number;
  hider: Hider;
  hiderPath: string;
}

/** The `most` largest findings. */
export function wasteLines(index: ImageIndex, waste: Waste, most: number): WasteLine[] {
  const out: WasteLine[] = [];
  for (let i = 0; i < Math.min(most, waste.version.length); i++) {
    const [node, version] = [waste.node[i], waste.version[i]];
    const hider = hiderOf(index, node, version, (k) => extra(index, k).opaqueAt ?? -1);
    out.push({
      version,
      path: nodePath(index, node),
      bytes: index.versions.size[version],
      layer: index.versions.home[version],
      hider,
      hiderPath: nodePath(index, hider.node),
    });
  }
  return out;
}

/** A rectangle's worth of waste: a layer, or a file in it; what is too small for a rectangle of its own is put together. */
export interface WasteBranch {
  name: string;
  layer: number;
  path: string;
  bytes: number;
  children: WasteBranch[];
}

export function wasteTree(index: ImageIndex, waste: Waste, most: number): WasteBranch {
  const { versions: v } = index;
  const layers = new Map<number, WasteBranch>();
  for (let i = 0; i < waste.version.length; i++) {
    const [node, k] = [waste.node[i], waste.version[i]];
    let branch = layers.get(v.home[k]);
    if (!branch) {
      branch = { name: '', layer: v.home[k], path: '', bytes: 0, children: [] };
      layers.set(branch.layer, branch);
    }
    branch.bytes += v.size[k];
    if (i < most) {
      const leaf = { name: nodeName(index, node), layer: branch.layer, path: nodePath(index, node) };
      branch.children.push({ ...leaf, bytes: v.size[k], children: [] });
    }
  }
  const children = [...layers.values()].sort((a, b) => a.layer - b.layer);
  for (const c of children) {
    const rest = c.bytes - c.children.reduce((n, x) => n + x.bytes, 0);
    if (rest > 0) c.children.push({ name: '…', layer: c.layer, path: '', bytes: rest, children: [] });
  }
  return { name: '', layer: -1, path: '', bytes: waste.wasted, children };
}
