// Made from the Go types of server/labapi/wire and imagecore by
// go test ./server/labapi/wire -update; do not edit.
// Times are RFC 3339 in UTC, sizes are bytes.

export type ContainerState =
  | 'created'
  | 'running'
  | 'paused'
  | 'exited'
  | 'restarting';

export type EventKind =
  | 'activity'
  | 'network.created'
  | 'network.deleted'
  | 'network.connected'
  | 'network.disconnected'
  | 'network.dns-refused'
  | 'network.egress-refused'
  | 'image.created'
  | 'image.deleted'
  | 'image.tagged'
  | 'image.untagged'
  | 'upload.progress'
  | 'container.created'
  | 'container.started'
  | 'container.paused'
  | 'container.resumed'
  | 'container.exited'
  | 'container.deleted'
  | 'container.changes'
  | 'container.renamed'
  | 'container.oom'
  | 'container.updated'
  | 'volume.created'
  | 'volume.deleted'
  | 'action'
  | 'recording'
  | 'resync'
  | 'alive';

export type UploadPhase =
  | 'receiving'
  | 'reading'
  | 'storing';

export type ArchiveKind =
  | 'file'
  | 'folder'
  | 'link';

export type RecordingEnd =
  | 'stopped'
  | 'exit'
  | 'size'
  | 'time'
  | 'server'
  | 'failure';

export type ShareRole =
  | 'viewer'
  | 'writer';

export interface ApiError {
  code: string;
  args: Record<string, string>;
  message: string;
  requestID: string;
}

export interface Image {
  id: string;
  refs: string[];
  platform: string;
  created: string;
  size: number;
  unpacked: number;
  layers: ImageLayer[];
  containers: number;
  sample: boolean;
  committedFrom?: string;
}

export interface ImageList {
  images: Image[];
}

export interface ArchiveFiles {
  files: ArchiveFile[];
}

export interface Container {
  id: string;
  name: string;
  image: string;
  imageRef: string;
  command: string[];
  state: ContainerState;
  tty: boolean;
  pid: number;
  exitCode: number | null;
  error: ApiError | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  restartCount?: number;
  oomKilled?: boolean;
  runtime?: string;
  health?: string;
  labels?: Record<string, string>;
}

export interface ContainerList {
  containers: Container[];
}

export interface CreateContainer {
  image: string;
  name?: string;
  command?: string[];
  entrypoint?: string[];
  env?: string[];
  workingDir?: string;
  user?: string;
  hostname?: string;
  tty: boolean;
  cols?: number;
  rows?: number;
  domainname?: string;
  mounts?: MountSpec[];
  limits?: Limits;
  security?: Security;
  restart?: Restart;
  log?: LogLimits;
  init?: boolean;
  runtime?: string;
}

export interface NewContainer {
  image: string;
  name?: string;
  command?: string[];
  entrypoint?: string[];
  env?: string[];
  workingDir?: string;
  user?: string;
  hostname?: string;
  tty: boolean;
  cols?: number;
  rows?: number;
  domainname?: string;
  mounts?: MountSpec[];
  limits?: Limits;
  security?: Security;
  restart?: Restart;
  log?: LogLimits;
  init?: boolean;
  runtime?: string;
  network?: ContainerNetwork;
  labels?: Record<string, string>;
  autoRemove?: boolean;
  health?: HealthCheck;
  stopSignal?: string;
  stopTimeout?: number;
}

export interface CreatedContainer {
  id: string;
  name: string;
  image: string;
  imageRef: string;
  command: string[];
  state: string;
  tty: boolean;
  pid: number;
  exitCode: number | null;
  error: ApiError | null;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  restartCount?: number;
  oomKilled?: boolean;
  runtime?: string;
  health?: string;
  labels?: Record<string, string>;
  warnings: Warning[];
}

export interface RenameContainer {
  name: string;
}

export interface TagImage {
  ref: string;
}

export interface PruneImages {
  all?: boolean;
}

export interface ActivityList {
  activities: Activity[];
  lost: number;
}

export interface StopContainer {
  timeout?: number;
  signal?: string;
}

export interface KillContainer {
  signal?: string;
}

export interface CommitContainer {
  ref?: string;
  message?: string;
  author?: string;
  changes?: string[];
}

export interface ExecContainer {
  command: string[];
  env?: string[];
  workingDir?: string;
  user?: string;
  tty: boolean;
  cols?: number;
  rows?: number;
}

export interface Exec {
  id: string;
}

export interface Change {
  kind: 'A' | 'C' | 'D';
  path: string;
  type: string;
  size: number;
  copiedUp: number;
  mode?: string;
  passed?: boolean;
  opaque?: boolean;
  by?: Writer;
}

export interface Changes {
  changes: Change[];
  bytes: number;
  copiedUp: number;
  truncated: boolean;
}

export interface ApiEvent {
  seq: number;
  time: string;
  kind: EventKind;
  id: string;
  data: unknown;
}

export interface Action {
  of: string;
  action: string;
  attributes: Record<string, string>;
}

export interface NamedImage {
  id: string;
  refs: string[];
  platform: string;
  created: string;
  size: number;
  unpacked: number;
  layers: ImageLayer[];
  containers: number;
  sample: boolean;
  committedFrom?: string;
  ref: string;
}

export interface UploadProgress {
  phase: UploadPhase;
  done: number;
  total: number;
}

export interface SessionRequest {
  code: string;
}

export interface Session {
  secret: string;
}

export interface TicketRequest {
  path: string;
}

export interface Ticket {
  ticket: string;
}

export interface Control {
  type: 'resize' | 'ack' | 'ready' | 'exit' | 'error';
  cols?: number;
  rows?: number;
  bytes?: number;
  code?: number;
  tty?: boolean;
  error?: ApiError;
}

export interface NewRecording {
  terminal?: string;
  title?: string;
  cols: number;
  rows: number;
}

export interface Recording {
  id: string;
  container: string;
  containerName: string;
  terminal: string;
  title: string;
  cols: number;
  rows: number;
  startedAt: string;
  seconds: number;
  bytes: number;
  ended: RecordingEnd | '';
}

export interface RecordingList {
  recordings: Recording[];
  maxBytes: number;
  maxSeconds: number;
}

export interface NewShare {
  terminal?: string;
  role: ShareRole;
  seconds: number;
  cols: number;
  rows: number;
}

export interface Share {
  id: string;
  container: string;
  containerName: string;
  terminal: string;
  role: ShareRole;
  createdAt: string;
  expiresAt: string;
  guests: number;
}

export interface CreatedShare {
  id: string;
  container: string;
  containerName: string;
  terminal: string;
  role: ShareRole;
  createdAt: string;
  expiresAt: string;
  guests: number;
  secret: string;
}

export interface ShareList {
  shares: Share[];
}

export interface SharedRequest {
  secret: string;
}

export interface SharedTerminal {
  id: string;
  containerName: string;
  role: ShareRole;
  expiresAt: string;
  cols: number;
  rows: number;
  ticket: string;
}

export interface Info {
  version: string;
  kernel: string;
  rootfs: string;
  canRun: boolean;
  runProblem: ApiError | null;
  maxUpload: number;
  hosts: string[];
  runtimes: string[];
  defaultRuntime: string;
}

export interface Facts {
  pid: number;
  namespaces: Namespace[];
  uidMap: IDMap[];
  gidMap: IDMap[];
  mounts: Mount[];
  capabilities: Record<string, string[]>;
  seccomp: string;
  noNewPrivs: boolean;
  cgroupPath: string;
  cgroupValues: CgroupValue[];
  processes: Process[];
  processCount: number;
  seccompFilter: number;
}

export interface Volume {
  name: string;
  labels?: Record<string, string>;
  createdAt: string;
  path: string;
  anonymous: boolean;
  usedBy: string[];
}

export interface VolumeList {
  volumes: Volume[];
}

export interface CreateVolume {
  name?: string;
  labels?: Record<string, string>;
}

export interface PruneVolumes {
  all?: boolean;
}

export interface Pruned {
  removed: string[];
  freed?: number;
}

export interface NetworkList {
  networks: Network[];
}

export interface CreateNetwork {
  name: string;
  driver?: string;
  subnet?: string;
  gateway?: string;
  ipRange?: string;
  internal?: boolean;
  attachable?: boolean;
  labels?: Record<string, string>;
  options?: Record<string, string>;
}

export interface ConnectNetwork {
  container?: string;
  address?: string;
  aliases?: string[];
  mac?: string;
}

export interface DisconnectNetwork {
  container: string;
}

export interface ContainerNetwork {
  mode?: string;
  join?: Record<string, ConnectNetwork>;
  publish?: PublishPort[];
  publishAll?: boolean;
  exposed?: string[];
  dns?: string[];
  dnsSearch?: string[];
  dnsOptions?: string[];
  extraHosts?: string[];
  domainname?: string;
}

export interface Report {
  source: ReportSource;
  images: ReportImage[];
  warnings: ReportWarning[];
}

export interface Account {
  pass: boolean;
  rules: Result[];
  dive: Figures;
  true: Figures;
  bytes: number;
  wasted: number;
  hidden: number;
  replaced: number;
  duplicated: number;
  unreachable: number;
  merges: Merge[];
  same: Same[];
  twins: Twins[];
  compared: boolean;
}

export interface Binary {
  bits: number;
  order: string;
  machine: string;
  type: string;
  linked: string;
  soName?: string;
  buildID?: string;
  stripped: boolean;
  debugInfo: boolean;
  interpreter: Library | null;
  needed: Library[];
  rpath?: string[];
  runPath?: string[];
  hardening: Hardening;
  go: GoBuild | null;
  sections: Section[];
  parts: number;
}

export interface ImageLayer {
  diffID: string;
  chainID: string;
  size: number;
  createdBy: string;
}

export interface ArchiveFile {
  name: string;
  kind: ArchiveKind;
  size: number;
  target: string;
  text?: string;
}

export interface MountSpec {
  type: string;
  source?: string;
  target: string;
  readOnly?: boolean;
  noCopy?: boolean;
  flat?: boolean;
  options?: string[];
  labels?: Record<string, string>;
  makeSource?: boolean;
}

export interface Limits {
  memory?: number;
  memorySwap?: number;
  memoryReservation?: number;
  swappiness?: number;
  nanoCPUs?: number;
  cpuShares?: number;
  cpuPeriod?: number;
  cpuQuota?: number;
  cpusetCPUs?: string;
  cpusetMems?: string;
  pids?: number;
  shm?: number;
  storage?: number;
  oomScoreAdj?: number;
  ulimits?: Ulimit[];
}

export interface Security {
  capAdd?: string[];
  capDrop?: string[];
  privileged?: boolean;
  noNewPrivileges?: boolean;
  seccomp?: string;
  unmasked?: boolean;
  readOnlyRoot?: boolean;
  groups?: string[];
  sysctls?: Record<string, string>;
  devices?: Device[];
}

export interface Restart {
  name: string;
  max?: number;
}

export interface LogLimits {
  driver?: string;
  maxSize?: number;
  maxFile?: number;
  labels?: string;
  labelsRegex?: string;
  env?: string;
  envRegex?: string;
  tag?: string;
}

export interface HealthCheck {
  test?: string[];
  interval?: number;
  timeout?: number;
  startPeriod?: number;
  startInterval?: number;
  retries?: number;
}

export interface Warning {
  code: string;
  args: Record<string, string>;
  message: string;
}

export interface Activity {
  id: number;
  time: string;
  took: number;
  done: boolean;
  by: string;
  client: string;
  verb: string;
  method: string;
  path: string;
  status: number;
  error: string;
  reads: boolean;
  containers: ActivityThing[];
  images: ActivityThing[];
  mounts: ActivityMount[];
  notes: ActivityNote[];
  events: ActivityEvent[];
  steps: number;
  calls: number;
  trace?: ActivityStep[];
}

export interface Writer {
  host: number;
  inside?: number;
  name?: string;
}

export interface Namespace {
  type: string;
  id: string;
  own: boolean;
}

export interface IDMap {
  container: number;
  host: number;
  count: number;
}

export interface Mount {
  target: string;
  type: string;
  source: string;
  options: string;
}

export interface CgroupValue {
  name: string;
  value: string;
}

export interface Process {
  host: number;
  inside: number;
  user: number;
  name: string;
}

export interface Network {
  id: string;
  name: string;
  driver: string;
  createdAt: string;
  subnet: string;
  gateway: string;
  ipRange?: string;
  internal: boolean;
  attachable?: boolean;
  egress: boolean;
  builtin: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
  endpoints: Endpoint[];
}

export interface PublishPort {
  proto: string;
  port: number;
  host?: string;
  first?: number;
  last?: number;
}

export interface ReportSource {
  format: string;
  compression: string;
  size: number;
}

export interface ReportImage {
  id: string;
  refs: string[];
  platform: string;
  manifest: ReportBlob;
  config: ReportBlob;
  layers: ReportLayer[];
  history: ReportHistory[];
  dockerfile?: ReportLine[];
  v1?: ReportV1[];
}

export interface ReportWarning {
  code: string;
  args: Record<string, string>;
  message: string;
  layer: number;
  entry?: string;
  offset?: number;
}

export interface Result {
  rule: string;
  status: string;
  threshold: string;
  dive?: number;
  true?: number;
  message: string;
}

export interface Figures {
  efficiency: number;
  wastedBytes: number;
  userWastedPercent?: number;
  bytes: number;
  userBytes: number;
}

export interface Merge {
  layer: number;
  bytes: number;
}

export interface Same {
  path: string;
  layer: number;
  by: number;
  bytes: number;
}

export interface Twins {
  digest: string;
  size: number;
  copies: number;
  bytes: number;
  paths: string[];
}

export interface Library {
  name: string;
  path?: string;
  by?: string;
}

export interface Hardening {
  relro: string;
  nx: boolean;
  pie: boolean;
  canary: string;
}

export interface GoBuild {
  version: string;
  path?: string;
  modules: Module[];
  build: string[];
}

export interface Section {
  name: string;
  size: number;
  zeros?: boolean;
}

export interface Ulimit {
  name: string;
  soft: number;
  hard: number;
}

export interface Device {
  path: string;
  target?: string;
  access?: string;
}

export interface ActivityThing {
  id: string;
  name: string;
}

export interface ActivityMount {
  container: string;
  layers: ActivityLayer[];
  shared: number;
  new: number;
  with: string[];
}

export interface ActivityNote {
  code: string;
  args: Record<string, string>;
  at: number;
  took: number;
}

export interface ActivityEvent {
  kind: string;
  id: string;
  at: number;
}

export interface ActivityStep {
  code: string;
  args: Record<string, string>;
  where: string;
  call: string;
  words: string;
  start: number;
  took: number;
  calls: number;
  ok: boolean;
  errno: string;
}

export interface Endpoint {
  id: string;
  network: string;
  networkName: string;
  container: string;
  containerName: string;
  interface: string;
  address: string;
  gateway: string;
  mac: string;
  names: string[];
  aliases: string[];
  ports: PublishedPort[];
}

export interface ReportBlob {
  digest?: string;
  size: number;
  raw?: string;
}

export interface ReportLayer {
  index: number;
  diffID: string;
  chainID: string;
  digest: string;
  mediaType: string;
  size: number;
  tarSize: number;
  entries: number;
  createdBy: string;
  form?: string;
  annotations?: Record<string, string>;
  present: boolean;
}

export interface ReportHistory {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
  layer?: number;
}

export interface ReportLine {
  number: number;
  instruction: string;
  text: string;
  history?: number;
  layer?: number;
  note?: string;
}

export interface ReportV1 {
  id: string;
  raw: string;
  checksum?: string;
}

export interface Module {
  path: string;
  version: string;
  replaced?: string;
}

export interface ActivityLayer {
  chainID: string;
  bytes: number;
  users: number;
}

export interface PublishedPort {
  proto: string;
  port: number;
  host: string;
  hostPort: number;
}
