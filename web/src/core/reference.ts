// Names of images, by the grammar of distribution's reference package:
// [host[:port]/]path[:tag], the path in small letters.
const host = '(?:localhost|[a-zA-Z0-9-]+(?:\\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9-]+(?=:\\d))(?::\\d+)?';
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const grammar = new RegExp(`^(?:${host}/)?${component}(?:/${component})*(?::\\w[\\w.-]{0,127})?$`);

/** Whether an image can be given this name. */
export function isReference(text: string): boolean {
  // 64 digits would be taken for an id.
  return text.length <= 255 && grammar.test(text) && !/^[0-9a-f]{64}$/.test(text);
}

/** The name with its tag, as lists show it. */
export const withTag = (ref: string) => (/:[^/]*$/.test(ref) ? ref : `${ref}:latest`);

/** Whether a container can have this name; the rule is Docker's. */
export const isContainerName = (text: string) => /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$/.test(text);
