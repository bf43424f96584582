import type { Plan, StepResult } from '../core/plan.ts';
import type * as wire from '../core/wire.ts';
import { session } from './session.ts';

const base = '/api/v1';

/** An answer of 400 or more, or none at all (status 0). */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly args: Record<string, string>;
  readonly requestID: string;

  constructor(status: number, body: Partial<wire.ApiError>) {
    super(body.message ?? `status ${status}`);
    this.status = status;
    this.code = body.code ?? (status === 0 ? 'no-connection' : `http-${status}`);
    this.args = body.args ?? {};
    this.requestID = body.requestID ?? '';
  }
}

async function failure(answer: Response): Promise<ApiFailure> {
  let body: Partial<wire.ApiError> = {};
  try {
    body = (await answer.json()) as wire.ApiError;
  } catch {
    body = { message: `${answer.status} ${answer.statusText}`.trim() };
  }
  return new ApiFailure(answer.status, body);
}

async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = new Headers();
  if (session.secret) headers.set('Authorization', `Bearer ${session.secret}`);
  const init: RequestInit = { method, headers, cache: 'no-store', credentials: 'omit' };
  if (body !== undefined) {
    headers.set('Content-Type', 'application/json');
    init.body = JSON.stringify(body);
  }
  if (signal) init.signal = signal;
  let answer: Response;
  try {
    answer = await fetch(base + path, init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiFailure(0, { message: 'the server does not answer' });
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await call(method, path, body, signal);
  return (await answer.json()) as T;
}

const id = encodeURIComponent;

/** The lab's own API, one function a route. All throw ApiFailure. */
export const api = {
  session: (code: string) => json<wire.Session>('POST', '/session', { code } satisfies wire.SessionRequest),
  info: () => json<wire.Info>('GET', '/info'),
  images: () => json<wire.ImageList>('GET', '/images'),
  report: (image: string) => json<wire.Report>('GET', `/images/${id(image)}`),
  index: async (image: string, lens: string) => {
    const answer = await call('GET', `/images/${id(image)}/index${lens === 'spec' ? '' : `?lens=${lens}`}`);
    return new Uint8Array(await answer.arrayBuffer());
  },
  content: async (image: string, layer: number, offset: number, size: number) => {
    const answer = await call(
      'GET',
      `/images/${id(image)}/content?layer=${layer}&offset=${offset}&size=${size}`,
    );
    return new Uint8Array(await answer.arrayBuffer());
  },
  files: (image: string) => json<wire.ArchiveFiles>('GET', `/images/${id(image)}/files`),
  account: (image: string, contents: boolean) =>
    json<wire.Account>('GET', `/images/${id(image)}/account${contents ? '?contents=1' : ''}`),
  elf: (image: string, layer: number, path: string) =>
    json<wire.Binary>('GET', `/images/${id(image)}/elf?layer=${layer}&path=${encodeURIComponent(path)}`),
  containerIndex: async (container: string, lens: string) => {
    const path = `/containers/${id(container)}/index${lens === 'spec' ? '' : `?lens=${lens}`}`;
    return new Uint8Array(await (await call('GET', path)).arrayBuffer());
  },
  containerContent: async (container: string, path: string, offset: number, size: number) => {
    const query = `path=${encodeURIComponent(path)}&offset=${offset}&size=${size}`;
    const answer = await call('GET', `/containers/${id(container)}/content?${query}`);
    return new Uint8Array(await answer.arrayBuffer());
  },
  holdUpload: (upload: string, still: boolean) =>
    call('POST', `/uploads/${id(upload)}/${still ? 'pause' : 'unpause'}`),
  tag: (image: string, ref: string) =>
    json<wire.Image>('POST', `/images/${id(image)}/tag`, { ref } satisfies wire.TagImage),
  pruneImages: (all: boolean) =>
    json<wire.Pruned>('POST', '/images/prune', { all } satisfies wire.PruneImages),
  deleteImage: (image: string) => call('DELETE', `/images/${id(image)}`),
  containers: () => json<wire.ContainerList>('GET', '/containers'),
  container: (container: string) => json<wire.Container>('GET', `/containers/${id(container)}`),
  changes: (container: string) => json<wire.Changes>('GET', `/containers/${id(container)}/changes`),
  plan: (container: string) => json<Plan>('GET', `/containers/${id(container)}/plan`),
  trace: (container: string) => json<StepResult[]>('GET', `/containers/${id(container)}/trace`),
  facts: (container: string) => json<wire.Facts>('GET', `/containers/${id(container)}/facts`),
  create: (body: wire.NewContainer) => json<wire.CreatedContainer>('POST', '/containers', body),
  start: (container: string) => call('POST', `/containers/${id(container)}/start`),
  stop: (container: string) =>
    call('POST', `/containers/${id(container)}/stop`, {} satisfies wire.StopContainer),
  restart: (container: string) =>
    call('POST', `/containers/${id(container)}/restart`, {} satisfies wire.StopContainer),
  rename: (container: string, name: string) =>
    json<wire.Container>('POST', `/containers/${id(container)}/rename`, {
      name,
    } satisfies wire.RenameContainer),
  pruneContainers: () => json<wire.Pruned>('POST', '/containers/prune'),
  kill: (container: string) =>
    call('POST', `/containers/${id(container)}/kill`, {} satisfies wire.KillContainer),
  pause: (container: string) => call('POST', `/containers/${id(container)}/pause`),
  unpause: (container: string) => call('POST', `/containers/${id(container)}/unpause`),
  exec: (container: string, body: wire.ExecContainer) =>
    json<wire.Exec>('POST', `/containers/${id(container)}/exec`, body),
  deleteContainer: (container: string) => call('DELETE', `/containers/${id(container)}`),
  volumes: () => json<wire.VolumeList>('GET', '/volumes'),
  createVolume: (body: wire.CreateVolume) => json<wire.Volume>('POST', '/volumes', body),
  deleteVolume: (name: string) => call('DELETE', `/volumes/${id(name)}`),
  pruneVolumes: (all: boolean) =>
    json<wire.Pruned>('POST', '/volumes/prune', { all } satisfies wire.PruneVolumes),
  networks: () => json<wire.NetworkList>('GET', '/networks'),
  createNetwork: (body: wire.CreateNetwork) => json<wire.Network>('POST', '/networks', body),
  deleteNetwork: (network: string) => call('DELETE', `/networks/${id(network)}`),
  connect: (network: string, body: wire.ConnectNetwork) =>
    json<wire.Network>('POST', `/networks/${id(network)}/connect`, body),
  disconnect: (network: string, container: string) =>
    json<wire.Network>('POST', `/networks/${id(network)}/disconnect`, {
      container,
    } satisfies wire.DisconnectNetwork),
  pruneNetworks: () => json<wire.Pruned>('POST', '/networks/prune'),
  activities: () => json<wire.ActivityList>('GET', '/activity'),
  activity: (number: number) => json<wire.Activity>('GET', `/activity/${number}`),
  shares: () => json<wire.ShareList>('GET', '/shares'),
  share: (container: string, body: wire.NewShare) =>
    json<wire.CreatedShare>('POST', `/containers/${id(container)}/shares`, body),
  revoke: (share: string) => call('DELETE', `/shares/${id(share)}`),
  /** What the secret of a link opens; the ticket is for `sharedAddress`. */
  shared: (secret: string) =>
    json<wire.SharedTerminal>('POST', '/shared', { secret } satisfies wire.SharedRequest),
  sharedAddress: (t: wire.SharedTerminal) =>
    `${base}/shared/${id(t.id)}?ticket=${encodeURIComponent(t.ticket)}`,
  recordings: () => json<wire.RecordingList>('GET', '/recordings'),
  record: (container: string, body: wire.NewRecording) =>
    json<wire.Recording>('POST', `/containers/${id(container)}/recordings`, body),
  stopRecording: (recording: string) => json<wire.Recording>('POST', `/recordings/${id(recording)}/stop`),
  deleteRecording: (recording: string) => call('DELETE', `/recordings/${id(recording)}`),
  cast: async (recording: string) => (await call('GET', `/recordings/${id(recording)}/cast`)).blob(),
  commit: (container: string, body: wire.CommitContainer) =>
    json<wire.Image>('POST', `/containers/${id(container)}/commit`, body),
};

/**
 * An address with a single-use ticket, for what cannot send a header:
 * WebSocket, EventSource and downloads. `path` begins after /api/v1.
 */
export async function ticketed(path: string, signal?: AbortSignal): Promise<string> {
  const full = base + path;
  const asked: wire.TicketRequest = { path: full };
  const { ticket } = await json<wire.Ticket>('POST', '/tickets', asked, signal);
  return `${full}${full.includes('?') ? '&' : '?'}ticket=${encodeURIComponent(ticket)}`;
}

/** Starts a download by the browser itself: nothing passes through the page's memory. */
export async function download(path: string, name: string): Promise<void> {
  const link = document.createElement('a');
  link.href = await ticketed(path);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

/** Sends an archive. XMLHttpRequest, since fetch does not say how much it has sent. */
export function upload(
  file: Blob,
  uploadID: string,
  onSent: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<wire.ImageList> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', `${base}/images?upload=${encodeURIComponent(uploadID)}`);
    if (session.secret) xhr.setRequestHeader('Authorization', `Bearer ${session.secret}`);
    xhr.setRequestHeader('Content-Type', 'application/octet-stream');
    xhr.upload.onprogress = (e) => onSent(e.loaded, e.lengthComputable ? e.total : file.size);
    xhr.onload = () => {
      let body: unknown;
      try {
        body = JSON.parse(xhr.responseText);
      } catch {
        body = { message: xhr.responseText.slice(0, 300) };
      }
      if (xhr.status >= 200 && xhr.status < 300) resolve(body as wire.ImageList);
      else reject(new ApiFailure(xhr.status, body as wire.ApiError));
    };
    xhr.onerror = () => reject(new ApiFailure(0, { message: 'the connection broke while sending' }));
    xhr.onabort = () => reject(new DOMException('upload canceled', 'AbortError'));
    signal.addEventListener('abort', () => xhr.abort(), { once: true });
    xhr.send(file);
  });
}
