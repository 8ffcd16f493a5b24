// The sheet, the script and the icons by themselves, on a page with every component, under the admin's policy.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { SIZES, Suite, THEMES, Watch, assert, axe, equal, forbiddenMarkup, launch, layoutProblems, none, shots, until } from './browser.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, '../../templates/static');
const TYPES = { '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8' };
const HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin',
};

// What the enhancements ask a server for.
const posts = [];
const streams = new Set();
const asked = [];
const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://gallery');
  const send = (type, body, status = 200) => response.writeHead(status, { ...HEADERS, 'content-type': type }).end(body);
  const json = (body) => send('application/json', JSON.stringify(body));
  if (url.pathname.startsWith('/admin/static/')) {
    const path = normalize(url.pathname.slice('/admin/static/'.length));
    try {
      return send(TYPES[extname(path)] ?? 'text/plain', readFileSync(join(assets, path)));
    } catch {
      return send('text/plain', 'not there', 404);
    }
  }
  if (request.method === 'POST') {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      posts.push({ path: url.pathname, body: new URLSearchParams(body) });
      if (url.pathname === '/check') {
        const wrong = new URLSearchParams(body).get('document').includes('requset');
        return send('text/html', `<div id="check-result"><p class="${wrong ? 'error' : 'meta'}" data-check-summary>${wrong ? 'One mistake: <a href="#id_doc" data-line="4">line 4</a>, there is no action http.requset' : 'No mistake'}</p></div>`);
      }
      // As a slow server, and a download: the page stays.
      return setTimeout(() => response.writeHead(204, HEADERS).end(), 200);
    });
    return null;
  }
  if (url.pathname === '/autocomplete') {
    asked.push(url.search);
    const q = url.searchParams.get('q') ?? '';
    const page = Number(url.searchParams.get('page') ?? 1);
    const all = ['order-paid', 'order-refund', 'nightly', ...Array.from({ length: 40 }, (_, at) => `flow-${at}`)].filter((name) => name.includes(q));
    return json({ results: all.slice((page - 1) * 20, page * 20).map((text) => ({ id: `id-${text}`, text })), next: all.length > page * 20 ? page + 1 : null });
  }
  if (url.pathname === '/palette') return json({ results: ['Executions', 'Dead letters', 'order-paid'].filter((title) => title.toLowerCase().includes((url.searchParams.get('q') ?? '').toLowerCase())).map((title) => ({ title, kind: 'page', url: `/found?${title}` })) });
  if (url.pathname === '/live') {
    asked.push(`live ${request.headers['last-event-id'] ?? url.searchParams.get('last_event_id') ?? ''}`);
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    response.write('retry: 100\n\n');
    streams.add(response);
    request.on('close', () => streams.delete(response));
    return null;
  }
  let page = readFileSync(join(here, 'gallery.html'), 'utf8');
  const chosen = ['theme', 'density', 'shortcuts'].filter((name) => url.searchParams.has(name)).map((name) => ` data-${name}="${url.searchParams.get(name)}"`).join('');
  page = page.replace('<html lang="en">', `<html lang="en"${chosen}>`);
  return send('text/html; charset=utf-8', page);
});
await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
const origin = `http://127.0.0.1:${server.address().port}`;
if (process.argv.includes('--serve')) {
  console.log(`the gallery is at ${origin}/`);
  await new Promise(() => {});
}
const event = (name, data, id) => streams.forEach((stream) => stream.write(`${id ? `id: ${id}\n` : ''}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`));

const suite = new Suite('gallery');
const browser = await launch();
async function open(options = {}, path = '/') {
  const watch = new Watch(origin);
  const context = await browser.newContext({ viewport: SIZES.wide, ...options });
  await watch.over(context);
  const page = await context.newPage();
  await page.goto(origin + path);
  return { page, context, watch };
}
const within = (title, options, deed, path) => suite.test(title, async () => {
  const { page, context, watch } = await open(options, path);
  try {
    await deed(page, context);
    return watch.take();
  } finally {
    await context.close();
  }
});

await suite.test('the sheet and the scripts keep to their budgets', () => {
  const sheet = readFileSync(join(assets, 'admin.css'));
  const script = gzipSync(readFileSync(join(assets, 'admin.js')), { level: 9 });
  assert(sheet.length <= 45_000, `admin.css has ${sheet.length} bytes`);
  assert(script.length <= 12 * 1024, `admin.js has ${script.length} bytes gzipped`);
  assert(!/!important/.test(sheet.toString().split('@layer overrides {')[0].replace(/\[hidden\].*|\.log-\w+ \{.*/g, '')), '!important outside overrides');
});
await suite.test('no markup that the policy refuses', () => forbiddenMarkup(readFileSync(join(here, 'gallery.html'), 'utf8')));

for (const theme of THEMES) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await suite.test(`axe finds nothing, ${theme}, ${viewport.width} px`, async () => {
      const { page, context, watch } = await open({ viewport, colorScheme: theme });
      await page.screenshot({ path: join(shots, `gallery-${theme}-${size}.png`), fullPage: true });
      const problems = [...await axe(page), ...await layoutProblems(page), ...watch.take()];
      await context.close();
      return problems;
    });
  }
}
for (const [name, path, options] of [['chosen dark', '/?theme=dark', { colorScheme: 'light' }], ['chosen light', '/?theme=light', { colorScheme: 'dark' }], ['compact', '/?density=compact', {}], ['320 px', '/', { viewport: { width: 320, height: 640 } }], ['forced colours', '/', { forcedColors: 'active' }], ['reduced motion', '/', { reducedMotion: 'reduce' }], ['compact and dark', '/?density=compact&theme=dark', {}]]) {
  await within(`${name}: axe finds nothing`, options, async (page) => {
    await page.screenshot({ path: join(shots, `gallery-${name.replaceAll(' ', '-')}.png`), fullPage: true });
    const problems = [...await axe(page), ...await layoutProblems(page)];
    none(problems);
    const scheme = await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    if (name.startsWith('chosen')) equal(scheme, name.split(' ')[1], 'color-scheme');
  }, path);
}
await within('print has no navigation', {}, async (page) => {
  await page.emulateMedia({ media: 'print' });
  equal(await page.locator('nav.side').isVisible(), false, 'navigation visible');
});
await within('icons are drawn from the sprite', {}, async (page) => {
  const box = await page.evaluate(() => document.querySelector('nav.side use').getBBox().width);
  assert(box > 5, `an icon is ${box} wide`);
});
await within('the navigation opens by a button on a small screen, without scripts', { viewport: SIZES.narrow, javaScriptEnabled: false }, async (page) => {
  equal(await page.getByRole('link', { name: 'Outbox' }).isVisible(), false, 'navigation visible');
  await page.getByRole('button', { name: 'Menu' }).click();
  equal(await page.getByRole('link', { name: 'Outbox' }).isVisible(), true, 'navigation visible');
  await page.screenshot({ path: join(shots, 'gallery-nav-narrow.png') });
});
await within('the first stop of the keyboard leads to the content', {}, async (page) => {
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.className), 'skip', 'focused');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert(await page.evaluate(() => document.querySelector('main').contains(document.activeElement)), 'focus went into the content');
});
await within('the focus is seen wherever it goes', {}, async (page) => {
  const hidden = [];
  for (let step = 0; step < 90; step += 1) {
    await page.keyboard.press('Tab');
    const problem = await page.evaluate(() => {
      const node = document.activeElement;
      if (!node || node === document.body) return null;
      const boxes = [...node.getClientRects()].filter((box) => box.width && box.height);
      const name = `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 30)}`;
      if (!boxes.length) return `${name} has no box`;
      const seen = boxes.some((box) => [0.2, 0.5, 0.8].some((part) => {
        const over = document.elementFromPoint(box.left + box.width * part, box.top + Math.min(box.height / 2, 40));
        return over && (node.contains(over) || over.contains(node) || over.closest('label')?.contains(node));
      }));
      if (!seen) return `${name} is under something`;
      const style = getComputedStyle(node);
      return style.outlineStyle === 'none' && !node.matches('main, .editor textarea') ? `${name} has no ring` : null;
    });
    if (problem) hidden.push(problem);
  }
  none(hidden);
});

await within('times are told in words, the full time on the title', {}, async (page) => {
  const time = page.locator('.page-head time');
  assert(/ago$|^in |now/.test(await time.textContent()), `told as ${await time.textContent()}`);
  equal(await time.getAttribute('title'), '2026-11-21 17:05:10 UTC', 'title');
});
await within('a button copies', { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
  await page.getByRole('button', { name: 'Copy the id' }).click();
  equal(await page.evaluate(() => navigator.clipboard.readText()), '0190c2aa-7e31-7cc1-9f6a-3f2b1c0dab12', 'clipboard');
  await page.getByRole('status').getByText('Copied').first().waitFor();
});
await within('all rows are selected at once and counted', {}, async (page) => {
  await page.getByRole('checkbox', { name: 'Select all on this page' }).check();
  await page.getByText('3 selected').waitFor();
  await page.getByRole('checkbox', { name: /Select nightly/ }).uncheck();
  await page.getByText('2 selected').waitFor();
  equal(await page.evaluate(() => document.querySelector('[data-select-all]').indeterminate), true, 'indeterminate');
});
await within('menus close on Escape, outside, and are walked by arrows', {}, async (page) => {
  const summary = page.locator('#more-menu > summary');
  await summary.focus();
  await page.keyboard.press('ArrowDown');
  equal(await page.evaluate(() => document.activeElement.textContent), 'Run again from a step…', 'focused');
  await page.keyboard.press('ArrowUp');
  equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel…', 'focused');
  const problems = await axe(page);
  none(problems);
  await page.keyboard.press('Escape');
  equal(await page.locator('#more-menu').getAttribute('open'), null, 'open');
  assert(await summary.evaluate((node) => node === document.activeElement), 'focus returned');
  await summary.click();
  await page.locator('h1').click();
  equal(await page.locator('#more-menu').getAttribute('open'), null, 'open');
});
await within('a combobox asks the server, and the select keeps the value', {}, async (page) => {
  const input = page.getByRole('combobox', { name: 'Workflow' }).last();
  equal(await input.inputValue(), 'order-paid', 'shown');
  await input.fill('refund');
  await page.getByRole('option', { name: 'order-refund' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.screenshot({ path: join(shots, 'gallery-combobox.png') });
  const problems = await axe(page);
  none(problems);
  await page.keyboard.press('Enter');
  equal(await input.inputValue(), 'order-refund', 'shown');
  equal(await page.evaluate(() => new FormData(document.getElementById('the-form')).get('workflow')), 'id-order-refund', 'sent');
  await input.fill('zzz');
  await page.getByText('Nothing matches').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  await until(async () => (await input.inputValue()) === 'order-refund', 'the text of what is chosen');
  await input.fill('');
  equal(await page.evaluate(() => new FormData(document.getElementById('the-form')).get('workflow')), '', 'sent');
  await input.fill('flow');
  await page.getByRole('option', { name: 'flow-19' }).waitFor();
  for (let down = 0; down < 20; down += 1) await page.keyboard.press('ArrowDown');
  await page.getByRole('option', { name: 'flow-39' }).waitFor();
});
await within('a combobox of several has chips', {}, async (page) => {
  const input = page.getByRole('combobox', { name: 'Tags' });
  await input.fill('nightly');
  await page.getByRole('option', { name: 'nightly' }).click();
  await page.getByRole('button', { name: 'Remove vip' }).click();
  equal(await page.evaluate(() => new FormData(document.getElementById('the-form')).getAll('tags').join()), 'eu,id-nightly', 'sent');
});
await within('Ctrl-K goes somewhere by keyboard', {}, async (page) => {
  await page.keyboard.press('Control+k');
  const input = page.getByRole('combobox', { name: 'Go to' });
  await input.waitFor();
  await page.getByRole('option', { name: 'Dead letters' }).waitFor();
  const problems = await axe(page);
  none(problems);
  await page.screenshot({ path: join(shots, 'gallery-palette.png') });
  await page.keyboard.press('Escape');
  equal(await input.isVisible(), false, 'palette visible');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('order');
  await until(async () => (await page.getByRole('listbox', { name: 'Results' }).getByRole('option').count()) === 1, 'one hit');
  await page.keyboard.press('Enter');
  await page.waitForURL(/found\?order-paid/);
});
await within('/ searches and ? helps', {}, async (page) => {
  await page.keyboard.press('/');
  equal(await page.evaluate(() => document.activeElement.id), 'q', 'focused');
  await page.keyboard.press('?');
  equal(await page.getByRole('dialog', { name: 'Keys' }).isVisible(), false, 'help visible while typing');
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  const problems = await axe(page);
  none(problems);
  await page.keyboard.press('Escape');
});
await within('single keys can be switched off', {}, async (page) => {
  await page.keyboard.press('/');
  await page.keyboard.press('?');
  equal(await page.evaluate(() => document.activeElement.tagName), 'BODY', 'focused');
  equal(await page.getByRole('dialog', { name: 'Keys' }).isVisible(), false, 'help visible');
}, '/?shortcuts=off');
await within('a dialog keeps and returns the focus', {}, async (page) => {
  const opener = page.getByRole('button', { name: 'Open a dialog' });
  await opener.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Cancel the execution?' }).waitFor();
  await page.screenshot({ path: join(shots, 'gallery-dialog.png') });
  const problems = await axe(page);
  none(problems);
  await page.keyboard.press('Escape');
  assert(await opener.evaluate((node) => node === document.activeElement), 'focus returned');
});
await within('a live part is replaced, with focus and what was typed kept', {}, async (page) => {
  await until(() => streams.size === 1, 'one stream');
  await page.getByText('Live', { exact: true }).waitFor();
  await page.locator('#live-input').fill('half a sen');
  event('fragment', { id: 'live-part', html: '<div id="live-part"><p id="live-text">Two happened. <label>Note <input id="live-input" name="live"></label></p><p>New</p></div>' }, '7');
  await page.getByText('Two happened.').waitFor();
  equal(await page.locator('#live-input').inputValue(), 'half a sen', 'typed');
  equal(await page.evaluate(() => document.activeElement.id), 'live-input', 'focused');
  await page.keyboard.type('tence');
  equal(await page.locator('#live-input').inputValue(), 'half a sentence', 'typed');
  event('fragment', { id: 'run-2', html: '<tr id="run-2"><td class="select"><label><span class="sr">Select order-refund</span><input type="checkbox" name="pk" value="2"></label></td><td>order-refund</td><td><span class="state state-completed">completed</span></td></tr>' }, '8');
  await page.locator('#run-2 .state-completed').waitFor();
  event('notice', { text: '3 executions failed' }, '9');
  event('notice', { text: '4 executions failed' }, '10');
  await page.getByRole('status').getByText('3 executions failed').waitFor();
  equal(await page.getByText('4 executions failed').count(), 0, 'notices within 10 s');
});
await within('the stream is paused, resumed and lost without a gap', {}, async (page) => {
  await until(() => streams.size === 1, 'one stream');
  event('notice', { text: 'first' }, '41');
  await page.getByRole('status').getByText('first').waitFor();
  await page.getByRole('button', { name: 'Pause live updates' }).click();
  await until(() => streams.size === 0, 'no stream');
  await page.getByText('Paused', { exact: true }).waitFor();
  asked.length = 0;
  await page.getByRole('button', { name: 'Resume live updates' }).click();
  await until(() => asked.includes('live 41'), `the last event's id, got ${asked}`);
  event('notice', { text: '' }, '42');
  await new Promise((done) => { setTimeout(done, 100); });
  streams.forEach((stream) => stream.end());
  await until(() => asked.includes('live 42'), `the last event's id, got ${asked}`);
  event('done', {}, '43');
  await page.getByText('Finished', { exact: true }).waitFor();
  await until(() => streams.size === 0, 'no stream');
});
await within('the document is checked while it is written, and its lines are marked', {}, async (page) => {
  const area = page.getByRole('textbox', { name: 'Document' });
  posts.length = 0;
  await area.fill('name: a\nsteps:\n  - id: b\n    uses: http.requset\n');
  await page.getByText('One mistake').first().waitFor();
  equal(posts.length, 1, 'posts');
  equal(posts[0].body.get('_csrf'), 'token', 'token');
  assert((await page.locator('.gutter').textContent()).includes('✕ 4'), 'line 4 is marked');
  await page.locator('#check-result').getByRole('link', { name: 'line 4' }).click();
  equal(await area.evaluate((node) => node.value.slice(node.selectionStart, node.selectionEnd)), '    uses: http.requset', 'selected');
  await page.locator('.editor').screenshot({ path: join(shots, 'gallery-editor.png') });
});
await within('the text is no trap for the keyboard', {}, async (page) => {
  const area = page.getByRole('textbox', { name: 'Document' });
  const inside = () => area.evaluate((node) => node === document.activeElement);
  await area.focus();
  await page.keyboard.press('Tab');
  equal(await inside(), false, 'focus in the text');
  await page.getByRole('checkbox', { name: 'Tab inserts two spaces' }).check();
  await area.focus();
  await area.evaluate((node) => node.setSelectionRange(0, 0));
  await page.keyboard.press('Tab');
  equal(await inside(), true, 'focus in the text');
  assert((await area.inputValue()).startsWith('  name'), 'two spaces');
  await page.keyboard.press('Shift+Tab');
  assert((await area.inputValue()).startsWith('name'), 'two spaces less');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  equal(await inside(), false, 'focus in the text');
});
await within('a row is added without the server, up to the most', {}, async (page) => {
  const add = page.getByRole('button', { name: 'Add another window' });
  await add.click();
  equal(await page.evaluate(() => document.activeElement.name), 'rows-1-from', 'focused');
  await add.click();
  await add.click();
  await page.getByRole('status').getByText('At most 3 rows').waitFor();
  equal(await page.locator('[name=rows-TOTAL_FORMS]').inputValue(), '3', 'rows');
});
await within('without scripts the server is asked for a row', { javaScriptEnabled: false }, async (page) => {
  posts.length = 0;
  await page.getByRole('button', { name: 'Add another window' }).click();
  await until(() => posts.length === 1, 'a post');
  equal(posts[0].body.get('_addrow'), 'rows', 'sent');
});
await within('what was changed is not lost without a question', {}, async (page) => {
  let questions = 0;
  page.on('dialog', (dialog) => {
    questions += 1;
    dialog.accept();
  });
  await page.goto(`${origin}/?other`);
  equal(questions, 0, 'questions for an unchanged form');
  await page.getByRole('textbox', { name: 'Name' }).fill('other');
  await page.goto(`${origin}/`);
  equal(questions, 1, 'questions');
});
await within('a second click does not send twice', {}, async (page) => {
  posts.length = 0;
  await page.getByRole('button', { name: /Delete order-paid/ }).dblclick();
  await new Promise((done) => { setTimeout(done, 500); });
  equal(posts.filter((post) => post.path === '/delete').length, 1, 'posts');
});

await browser.close();
server.closeAllConnections();
server.close();
suite.finish();
