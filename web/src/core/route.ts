import type { Mode } from './tree.ts';

/** Where the page is. The fragment of the address holds it, so that a reload and a link find the same view. */
export type Route =
  | { view: 'home'; list?: HomeList }
  | { view: 'volumes' }
  | { view: 'networks' }
  | { view: 'lessons' }
  | { view: 'replay' }
  | { view: 'shared' }
  | { view: 'recordings' }
  | { view: 'recording'; id: string }
  | { view: 'activity'; id: number }
  | { view: 'preview'; id: string; look: Look; tab?: ImageTab }
  | { view: 'words'; term: string }
  | { view: 'image'; id: string; look: Look; tab?: ImageTab }
  | { view: 'container'; id: string; tab?: ContainerTab }
  | { view: 'inside'; id: string; look: Look; tab?: ImageTab };

/** How the images of the store are listed: as cards unless said otherwise. */
export const homeLists = ['tree'] as const;
export type HomeList = (typeof homeLists)[number];

/** Views of an image beside its files, and of a container beside its layer. */
export const imageTabs = ['player', 'diff', 'waste', 'papers', 'identity'] as const;
export type ImageTab = (typeof imageTabs)[number];
export const containerTabs = ['plan', 'trace', 'live'] as const;
export type ContainerTab = (typeof containerTabs)[number];

/** The merged tree as an engine would make it; spec is image-spec's own. */
export const lenses = ['spec', 'docker-overlay2', 'containerd-overlayfs', 'umoci'] as const;
export type Lens = (typeof lenses)[number];

/** How an image is looked at: layer -1 is the top of the stack. */
export interface Look {
  layer: number;
  mode: Mode;
  path: string;
  lens: Lens;
  /** What it is compared with: another image's id, "" for this one; and that one's layer, null for the usual one. */
  other: string;
  from: number | null;
  /** Whether the Dockerfile stands beside the stack. */
  lines: boolean;
  /** What a slab's height says of its bytes: their logarithm or themselves. */
  scale: Scale;
  /** How many records the merge player has read. */
  step: number;
}

export const scales = ['log', 'bytes'] as const;
export type Scale = (typeof scales)[number];

export const top: Look = {
  layer: -1,
  mode: 'merged',
  path: '',
  lens: 'spec',
  other: '',
  from: null,
  lines: false,
  scale: 'log',
  step: 0,
};

export function parseRoute(hash: string): Route {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, ...rest] = path.split('/');
  const params = new URLSearchParams(query);
  switch (view) {
    case 'preview': {
      const tab = imageTabs.find((x) => x === rest.at(-1));
      const id = decode(rest.slice(0, tab ? -1 : undefined).join('/'));
      return { view: 'preview', id, look: parseLook(params), ...(tab && { tab }) };
    }
    case 'words':
      return { view: 'words', term: decode(rest.join('/')) };
    case 'images': {
      const tab = imageTabs.find((x) => rest.length > 1 && x === rest.at(-1));
      const id = decode(rest.slice(0, tab ? -1 : undefined).join('/'));
      return id ? { view: 'image', id, look: parseLook(params), ...(tab && { tab }) } : { view: 'home' };
    }
    case 'containers': {
      const at = rest.indexOf('inside');
      if (at > 0) {
        const tab = imageTabs.find((x) => x === rest[at + 1]);
        return {
          view: 'inside',
          id: decode(rest.slice(0, at).join('/')),
          look: parseLook(params),
          ...(tab && { tab }),
        };
      }
      const tab = containerTabs.find((x) => rest.length > 1 && x === rest.at(-1));
      const id = decode(rest.slice(0, tab ? -1 : undefined).join('/'));
      return id ? { view: 'container', id, ...(tab && { tab }) } : { view: 'home' };
    }
    case 'activity':
      return { view: 'activity', id: Math.max(0, Number.parseInt(rest[0] ?? '', 10) || 0) };
    case 'recordings': {
      const id = decode(rest.join('/'));
      return id ? { view: 'recording', id } : { view: 'recordings' };
    }
    case 'volumes':
    case 'networks':
    case 'lessons':
    case 'replay':
    case 'shared':
      return { view };
    default: {
      const list = homeLists.find((x) => x === params.get('list'));
      return { view: 'home', ...(list && { list }) };
    }
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parseLook(params: URLSearchParams): Look {
  const only = params.get('only');
  const after = params.get('after');
  const value = Number.parseInt(only ?? after ?? '', 10);
  return {
    layer: Number.isInteger(value) && value >= 0 ? value : -1,
    mode: only === null ? 'merged' : 'only',
    path: params.get('path') ?? '',
    lens: lenses.find((x) => x === params.get('lens')) ?? 'spec',
    other: params.get('with') ?? '',
    from: whole(params.get('from')),
    step: Math.max(0, whole(params.get('step')) ?? 0),
    lines: params.has('dockerfile'),
    scale: scales.find((x) => x === params.get('scale')) ?? 'log',
  };
}

/** A layer's number, -1 for what lies below the lowest; null where there is none. */
function whole(text: string | null): number | null {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isInteger(value) && value >= -1 ? value : null;
}

function formatLook(look: Look): string {
  const params = new URLSearchParams();
  if (look.layer >= 0) params.set(look.mode === 'only' ? 'only' : 'after', String(look.layer));
  if (look.path) params.set('path', look.path);
  if (look.lens !== 'spec') params.set('lens', look.lens);
  if (look.other) params.set('with', look.other);
  if (look.from !== null) params.set('from', String(look.from));
  if (look.step > 0) params.set('step', String(look.step));
  if (look.scale !== 'log') params.set('scale', look.scale);
  // A flag without a value: URLSearchParams would write "dockerfile=".
  const query = [params.toString(), look.lines ? 'dockerfile' : ''].filter((x) => x !== '').join('&');
  return query ? `?${query}` : '';
}

export function formatRoute(route: Route): string {
  switch (route.view) {
    case 'home':
      return route.list ? `#/?list=${route.list}` : '#/';
    case 'volumes':
    case 'networks':
    case 'lessons':
    case 'replay':
    case 'shared':
    case 'recordings':
      return `#/${route.view}`;
    case 'recording':
      return `#/recordings/${encodeURIComponent(route.id)}`;
    case 'activity':
      return route.id > 0 ? `#/activity/${route.id}` : '#/activity';
    case 'preview':
      return `#/preview${route.id ? `/${route.id}` : ''}${route.tab ? `/${route.tab}` : ''}${formatLook(route.look)}`;
    case 'words':
      return route.term ? `#/words/${encodeURIComponent(route.term)}` : '#/words';
    case 'container':
      return `#/containers/${encodeURIComponent(route.id)}${route.tab ? `/${route.tab}` : ''}`;
    case 'inside':
      return `#/containers/${encodeURIComponent(route.id)}/inside${route.tab ? `/${route.tab}` : ''}${formatLook(route.look)}`;
    case 'image':
      return `#/images/${route.id}${route.tab ? `/${route.tab}` : ''}${formatLook(route.look)}`;
  }
}

/** Whether the page stands in a frame, ?embed, and the name of the bundled archive that it is to show: ?embed=sample. Null where it does not. */
export function embedOf(search: string): string | null {
  return new URLSearchParams(search).get('embed');
}

/** The secret of a shared terminal's link: #share=…; null for any other fragment. */
export function shareIn(hash: string): string | null {
  return /^#share=([\w.~-]{8,200})$/.exec(hash)?.[1] ?? null;
}

/** The one-time code of the address that the server printed: #code=…, or a pasted address or bare code. */
export function codeIn(text: string): string | null {
  const m = /(?:^|[#&?])code=([\w.~-]+)/.exec(text.trim());
  if (m) return m[1];
  return /^[\w.~-]{8,}$/.test(text.trim()) ? text.trim() : null;
}
