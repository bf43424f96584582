/** What an image's config says about running it (image-spec config.md); fields that are absent are empty. */
export interface RunConfig {
  entrypoint: string[];
  cmd: string[];
  env: string[];
  workingDir: string;
  user: string;
  created: string;
  author: string;
}

interface RawConfig {
  created?: string;
  author?: string;
  config?: {
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Env?: string[] | null;
    WorkingDir?: string;
    User?: string;
  } | null;
}

export function runConfig(raw: string | undefined): RunConfig {
  let doc: RawConfig = {};
  try {
    doc = JSON.parse(raw ?? '{}') as RawConfig;
  } catch {
    // A config that is no JSON has been reported by the core already.
  }
  const c = doc.config ?? {};
  return {
    entrypoint: c.Entrypoint ?? [],
    cmd: c.Cmd ?? [],
    env: c.Env ?? [],
    workingDir: c.WorkingDir ?? '',
    user: c.User ?? '',
    created: doc.created ?? '',
    author: doc.author ?? '',
  };
}
