// xterm.js writes its colours into <style> elements and `style` attributes,
// which the content security policy (style-src 'self') rightly blocks.
// Constructed sheets and the CSSOM say the same from our own script and need no
// 'unsafe-inline'. Its option documentOverride does not reach all the places
// that make elements, hence these two.

/**
 * Runs `work` while every <style> element that it makes becomes a constructed
 * style sheet. The returned function takes the sheets away again.
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

/** Makes setAttribute('style', …) of a <span>, as which characters of 24-bit colours are drawn, go through the CSSOM. */
export function styleSpansByCSSOM(): void {
  HTMLSpanElement.prototype.setAttribute = function (this: HTMLSpanElement, name: string, value: string) {
    if (name === 'style') this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
  };
}
