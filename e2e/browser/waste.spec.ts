import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { asFile, dockerSave } from './archives.ts';
import { expectAccessible } from './fixtures.ts';
import { application, cache, chown, install, writeGrown } from './grown.ts';
import { expect, goTo, openFile, openSample, test } from './site.ts';

const binary = fileURLToPath(new URL('../../bin/layerlab', import.meta.url));

// One layer writes a tool and a cache, the next writes the tool again for its
// mode and deletes the cache; twice the same library stays.
const tool = Buffer.alloc(40_000, 'tool');
const wasteful = {
  tag: 'test/wasteful:1',
  layers: [
    [
      { name: 'bin/tool', content: tool },
      { name: 'var/cache', content: Buffer.alloc(60_000, 'c') },
      { name: 'lib/one.so', content: Buffer.alloc(5000, 'x') },
      { name: 'lib/two.so', content: Buffer.alloc(5000, 'x') },
    ],
    [{ name: 'bin/tool', content: tool, mode: 0o755 }, { name: 'var/.wh.cache' }],
  ],
};

test('which commands to merge and what that saves, the verdict, and what is there twice', async ({
  page,
  site,
}, info) => {
  const archive = dockerSave([wasteful]);
  await openFile(page, site, asFile('wasteful.tar', archive));
  await goTo(page, '/waste');
  const merges = page.getByRole('region', { name: 'Which commands to merge' });
  await expect(merges.getByRole('listitem').first()).toContainText('saves 100 kB');
  await expect(merges.getByRole('listitem').first()).toContainText('step-0');
  await expect(merges.getByRole('listitem').first()).toContainText('step-1');
  await expect(page.getByText('60.0 kB deleted by a later layer')).toBeVisible();
  await expect(page.getByText('40.0 kB written again with the same bytes')).toBeVisible();
  const twice = page.getByRole('region', { name: 'The same bytes twice' });
  await expect(twice).toContainText('/bin/tool of layer 0, again in layer 1');
  await expect(twice).toContainText('/lib/one.so · /lib/two.so');
  await expectAccessible(page);

  // The verdict is the command line's, figure for figure.
  const verdict = page.getByRole('region', { name: 'layerlab ci' });
  await expect(verdict.getByRole('heading')).toContainText('fail');
  const rows = await verdict.getByRole('row').allInnerTexts();
  const path = info.outputPath('wasteful.tar');
  writeFileSync(path, archive);
  test.skip(!existsSync(binary), 'bin/layerlab is not built: nothing to compare the verdict with');
  const said = JSON.parse(told(['ci', '--json', path])) as {
    pass: boolean;
    rules: { rule: string; status: string; true: number }[];
  };
  expect(said.pass).toBe(false);
  for (const r of said.rules) {
    const row = rows.find((x) => x.includes(r.rule)) ?? '';
    expect(row, r.rule).toContain({ pass: 'kept', fail: 'broken', skip: 'switched off' }[r.status]);
    if (r.rule !== 'highestWastedBytes')
      expect(row).toContain(`${(Math.trunc(r.true * 10000) / 100).toFixed(2)} %`);
  }
});

/** What a command prints; "no" is an answer, too. */
function told(args: string[]): string {
  try {
    return execFileSync(binary, args, { encoding: 'utf8' });
  } catch (cause) {
    return (cause as { stdout: string }).stdout;
  }
}

test('an image that wastes nothing says so, and passes', async ({ page, site }) => {
  await openFile(
    page,
    site,
    asFile('clean.tar', dockerSave([{ tag: 'clean:1', layers: [[{ name: 'a', content: 'a' }]] }])),
  );
  await goTo(page, '/waste');
  await expect(page.getByText('Nothing is wasted')).toBeVisible();
  await expect(page.getByRole('region', { name: 'layerlab ci' }).getByRole('heading')).toContainText('pass');
});

test('400 MB larger: which two commands did it, and what each cost', async ({ page, site }, info) => {
  const path = info.outputPath('grown.tar');
  writeGrown(path);
  await openFile(page, site, path);
  await page.getByRole('combobox').first().selectOption({ label: 'shop:2 · linux/amd64' });
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.getByRole('button', { name: 'shop:1' }).click();
  await expect(page.getByRole('combobox', { name: 'Image to compare with' })).toHaveValue(/^sha256:/);
  await expect(page.getByText('Layers +400 MB, containers see +160 MB')).toBeVisible();

  const commands = page.getByRole('region', { name: 'Which command made the bytes' }).getByRole('row');
  await expect(commands).toHaveCount(3); // with the head
  await expect(commands.nth(1)).toContainText(chown);
  await expect(commands.nth(1)).toContainText(`+${application / 1e6} MB`);
  await expect(commands.nth(2)).toContainText(install);
  await expect(commands.nth(2)).toContainText(`+${cache / 1e6} MB`);
  const largest = page.getByRole('region', { name: 'Paths by bytes' }).getByRole('listitem').first();
  await expect(largest).toContainText('/var/cache/apt/pkgcache.bin');
  await expect(page.getByRole('region', { name: 'Paths by bytes' })).toContainText('owner');

  // Who began with the older one turns them round.
  await page.getByRole('link', { name: 'Swap before and after' }).click();
  await expect(page.getByText('Layers −400 MB')).toBeVisible();
  await page.getByRole('link', { name: 'Swap before and after' }).click();
  await expect(page.getByText('Layers +400 MB')).toBeVisible();

  // And why the image did not shrink: the first copy still lies in its layer.
  await page.getByRole('link', { name: 'Waste' }).click();
  await expect(page.getByText('240 MB of 640 MB')).toBeVisible();
  const merges = page.getByRole('region', { name: 'Which commands to merge' }).getByRole('listitem').first();
  await expect(merges).toContainText('saves 240 MB');
  await expect(merges).toContainText('chown -R app:app /srv/app');
});

test('a box of the maps leads where its row in the list leads, by mouse and by keyboard', async ({
  page,
  site,
}) => {
  await openFile(page, site, asFile('wasteful.tar', dockerSave([wasteful])));
  const path = page.getByRole('region', { name: 'Path', exact: true });
  await goTo(page, '/waste');
  const map = page.getByRole('group', { name: 'Map of the wasted bytes by layer and path' });
  await map.getByRole('link', { name: '/var/cache, 60.0 kB, from layer 0' }).click();
  await expect(path).toContainText('/var/cache');
  await expect(path).toContainText('Layer 1 hides it by a whiteout');
  await page.goBack();
  const whole = map.getByRole('link', { name: 'from layer 0, 100 kB', exact: true });
  await whole.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await page.keyboard.press('Tab');
  await expect(map.locator(':focus'), 'one stop of the Tab key').toHaveCount(0);
  await page.keyboard.press('Shift+Tab');
  await expect(map.getByRole('link', { name: '/bin/tool, 40.0 kB, from layer 0' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(path).toContainText('/bin/tool');
  // The two maps of a comparison: what went leads to where it was.
  await goTo(page, '/diff?after=1&from=0');
  const before = page.getByRole('group', { name: /^Only before/ });
  await expectAccessible(page);
  await before.getByRole('link', { name: '/var/cache, 60.0 kB, deleted' }).press('Enter');
  await expect(path).toContainText('/var/cache');
  await expect(page).toHaveURL(/after=0/);
  await page.goBack();
  await page
    .getByRole('region', { name: 'Paths by bytes' })
    .getByRole('link', { name: '/var/cache' })
    .click();
  await expect(page).toHaveURL(/after=0/);
});

test('the sample answers without a manual: who deleted a file, what it still costs', async ({
  page,
  site,
}) => {
  await openSample(page, site);
  await goTo(page, '/waste');
  const path = page
    .getByRole('region', { name: 'By path' })
    .getByRole('listitem')
    .filter({ hasText: 'my-app-config' });
  await expect(path).toContainText('by a whiteout of layer 2');
  await path.getByRole('link').click();
  await expect(page.getByRole('region', { name: 'Path', exact: true })).toContainText('layer 2');
});
