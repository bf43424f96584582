import type { Action, ApiEvent, Container, Image } from './wire.ts';

/** What the page knows of the server, kept current by events. */
export interface Lists {
  images: Image[];
  containers: Container[];
}

/** Applies an event to the lists and returns the new ones; the same object where nothing changed. */
export function apply(lists: Lists, event: ApiEvent): Lists {
  switch (event.kind) {
    case 'image.created':
    case 'image.tagged':
    case 'image.untagged':
      return { ...lists, images: name(put(lists.images, event.data as Image), event.data as Image) };
    case 'image.deleted':
      return { ...lists, images: lists.images.filter((i) => i.id !== event.id) };
    case 'container.created':
    case 'container.started':
    case 'container.paused':
    case 'container.resumed':
    case 'container.exited':
    case 'container.renamed':
    case 'container.updated':
      return { ...lists, containers: put(lists.containers, event.data as Container) };
    case 'action': {
      // Docker has no other event for what a health check has found.
      const [what, health] = (event.data as Action).action.split(': ', 2);
      const c = what === 'health_status' && lists.containers.find((x) => x.id === event.id);
      return c ? { ...lists, containers: put(lists.containers, { ...c, health }) } : lists;
    }
    case 'container.deleted':
      return { ...lists, containers: lists.containers.filter((c) => c.id !== event.id) };
    default:
      return lists;
  }
}

/** A name is one image's alone: what was given to one, another has lost. */
function name(images: Image[], to: Image | null): Image[] {
  const given = new Set(to?.refs);
  return images.map((i) =>
    i.id !== to?.id && i.refs.some((r) => given.has(r))
      ? { ...i, refs: i.refs.filter((r) => !given.has(r)) }
      : i,
  );
}

/**
 * The container that an address means, by its id or name; by the id of the one that
 * `asked` is, once that is known: it may be renamed, and its name be another's.
 */
export function containerAt(lists: Lists, address: string, asked: Container | null): Container | undefined {
  return lists.containers.find((c) => (asked ? c.id === asked.id : c.id === address || c.name === address));
}

/** How many containers are made of an image. */
export function usersOf(lists: Lists, image: Pick<Image, 'id'>): number {
  return lists.containers.filter((c) => c.image === image.id).length;
}

function put<T extends { id: string }>(list: T[], item: T | null): T[] {
  if (!item) return list;
  const at = list.findIndex((x) => x.id === item.id);
  return at < 0 ? [item, ...list] : list.with(at, item);
}

/** How many images hold each layer, by chainID: equal chains are stored once. */
export function sharing(images: readonly Image[]): Map<string, number> {
  const shared = new Map<string, number>();
  for (const image of images) {
    for (const layer of image.layers) shared.set(layer.chainID, (shared.get(layer.chainID) ?? 0) + 1);
  }
  return shared;
}

/** What a health check says of a container that is being checked. */
const healths = ['starting', 'healthy', 'unhealthy'] as const;
export function healthOf(c: Container): (typeof healths)[number] | undefined {
  return c.state === 'running' ? healths.find((h) => h === c.health) : undefined;
}

/** What a container's creator asked for, an id cut short. */
export function shownRef(ref: string): string {
  return ref.startsWith('sha256:') || /^[0-9a-f]{64}$/.test(ref)
    ? ref.replace(/^sha256:/, '').slice(0, 12)
    : ref;
}

/** A name to show for an image: its first reference, else the beginning of its id. */
export function imageName(image: { id: string; refs: string[] | null }): string {
  return image.refs?.[0] ?? image.id.replace(/^sha256:/, '').slice(0, 12);
}
