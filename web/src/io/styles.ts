/**
 * Runs `work` while every <style> element that it makes becomes a constructed
 * style sheet: xterm.js writes its colours into <style> elements, which the
 * content security policy (style-src 'self') rightly blocks. Constructed sheets
 * are made by our own script and need no 'unsafe-inline'. The returned function
 * takes the sheets away again.
 */
export function withConstructedStyles(work: () => void): () => void {
  const sheets: CSSStyleSheet[] = [];
  const create = document.createElement;
  const standIn = () => {
    const element = create.call(document, 'span');
    element.hidden = true;
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(element, 'textContent', {
      get: () => [...sheet.cssRules].map((r) => r.cssText).join('\n'),
      set: (css: string) => sheet.replaceSync(css),
    });
    return element;
  };
  document.createElement = ((name: string, options?: ElementCreationOptions) =>
    name.toLowerCase() === 'style' ? standIn() : create.call(document, name, options)) as typeof create;
  try {
    work();
  } finally {
    document.createElement = create;
  }
  return () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => !sheets.includes(s));
  };
}
