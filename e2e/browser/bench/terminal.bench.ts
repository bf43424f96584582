import { expect, test } from '../fixtures.ts';
import { run, screen } from '../terminal.ts';
import { figure, quantile } from './figures.ts';

const lines = 2_000_000;

test('a terminal', async ({ page }) => {
  let zeros = 0;
  let heard: ((bytes: Buffer) => void) | null = null;
  page.on('websocket', (socket) => {
    socket.on('framereceived', (f) => {
      if (typeof f.payload === 'string') return;
      for (const b of f.payload) if (b === 0x30) zeros++;
      heard?.(f.payload);
    });
  });
  await run(page);
  await page.locator('.xterm-helper-textarea').focus();

  // From a key to the frame that shows it.
  await page.keyboard.type('echo ready-$((40+2))\n');
  await expect(screen(page)).toContainText('ready-42');
  const echoes = await page.evaluate(async () => {
    const area = document.querySelector('.xterm-helper-textarea') as HTMLTextAreaElement;
    const rows = document.querySelector('.xterm-rows') as HTMLElement;
    const took: number[] = [];
    for (let i = 0; i < 200; i++) {
      const before = rows.textContent;
      const began = performance.now();
      area.dispatchEvent(new KeyboardEvent('keydown', { key: 'x', keyCode: 88, bubbles: true }));
      area.dispatchEvent(new KeyboardEvent('keypress', { key: 'x', keyCode: 120, charCode: 120, bubbles: true }));
      // Told when it happens: a timer of the page is late by 4 ms.
      await new Promise<void>((ok) => {
        const seen = new MutationObserver(() => {
          if (rows.textContent === before) return;
          seen.disconnect();
          ok();
        });
        seen.observe(rows, { childList: true, characterData: true, subtree: true });
      });
      took.push(performance.now() - began);
      if (i % 40 === 39) {
        area.dispatchEvent(new KeyboardEvent('keydown', { key: 'u', keyCode: 85, ctrlKey: true, bubbles: true }));
        await new Promise((ok) => setTimeout(ok, 100));
      }
    }
    return took;
  });
  figure('a key to its echo on the screen, p50', quantile(echoes, 0.5), 'ms', null);
  figure('a key to its echo on the screen, p99', quantile(echoes, 0.99), 'ms', 20);

  // yes, then Ctrl-C: until nothing comes any more but the prompt.
  await page.keyboard.press('Control+u');
  await page.keyboard.type('yes\n');
  await expect(screen(page)).toContainText('y');
  await new Promise((ok) => setTimeout(ok, 1000));
  const began = performance.now();
  const prompt = new Promise<number>((ok) => {
    let tail = '';
    heard = (bytes) => {
      tail = (tail + bytes.toString('latin1')).slice(-200);
      // What yes still wrote may stand between ^C and the prompt.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a shell may end its prompt with escapes.
      if (/[#$] (\x1b\[[\d;?]*[a-zA-Z])*$/.test(tail)) ok(performance.now() - began);
    };
  });
  await page.keyboard.press('Control+c');
  figure('yes, then Ctrl-C: until the prompt', await prompt, 'ms', 300);
  heard = null;

  zeros = 0;
  const start = performance.now();
  await page.keyboard.type(`yes 0123456789 | head -n ${lines}; echo en""d\n`);
  await expect(screen(page)).toContainText('end', { timeout: 300_000 });
  const seconds = (performance.now() - start) / 1000;
  const typed = `${lines}`.split('0').length - 1 + 1; // in the line that was typed
  figure(`${(lines * 12) / 1e6} MB of output`, seconds, 's', null);
  figure('of its lines lost', lines + typed - zeros, 'lines', 0);
});
