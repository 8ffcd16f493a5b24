// Every page that a link leads to, as a superuser: nothing that the policy refuses, nothing that axe finds, nothing that a GET changes.
import { join } from 'node:path';
import { SIZES, Suite, THEMES, assert, axe, forbiddenMarkup, layoutProblems, none, shots } from './browser.mjs';
import { Server, Upstream, Visit, folder } from './harness.mjs';
import { seed } from './seed.mjs';

const suite = new Suite('crawl');
const upstream = await Upstream.start();
let server = await Server.start();
await seed(server, upstream);
// From here on nothing but the pages may change anything.
await server.kill();
await server.serve(['--no-worker']);
const visit = await Visit.begin(server);

/** What two addresses have in common that show the same page with other rows. */
const kind = (path) => {
  const url = new URL(path, server.origin);
  const pathname = url.pathname
    .replace(/\/static\/.*/, '/static/')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replace(/\/\d+(?=\/)/g, '/N')
    .replace(/\/[0-9a-f]{16,}(?=\/)/g, '/HASH')
    .replace(/\/=[^/]+\//, '/=NAME/')
    .replace(/(\/admin\/(?:secrets\/key|connectors|queues|workers)\/)[^/]+\//, '$1NAME/')
    .replace(/(\/admin\/[a-z_]+\/[a-z_]+\/)(?!add\/|export\/|import\/|autocomplete\/|trash\/|history\/|action\/)[^/]+\/(change|delete|history|restore)\//, '$1PK/$2/');
  return `${pathname}?${[...new Set(url.searchParams.keys())].sort().join('&')}`;
};

/** For axe: one page of each place, and one with a question. */
const pages = new Map();
/** Breadth first; of each kind of page the first two, of each place eight at most. */
async function crawl(person) {
  const waiting = ['/admin/', '/admin/help/', '/admin/palette/?q=o', '/admin/executions/?q=state:failed', '/admin/executions/?q=nothing-matches-this', '/admin/no/such/page/'];
  const seen = new Set(waiting);
  const kinds = new Map();
  const problems = [];
  while (waiting.length) {
    const path = waiting.shift();
    // Filters, sorting and pages of lists combine without end.
    const [place] = kind(path).split('?');
    const counts = [[kind(path), 2], [`place ${place}`, 8]].map(([key, most]) => [key, kinds.get(key) ?? 0, most]);
    if (counts.some(([, count, most]) => count >= most)) continue;
    for (const [key, count] of counts) kinds.set(key, count + 1);
    let answer;
    try {
      answer = await person.page.goto(path, { waitUntil: 'load' });
    } catch (error) {
      // A download is no page.
      if (!/Download is starting|ERR_ABORTED/.test(String(error))) problems.push(`${path}: ${error.message.split('\n')[0]}`);
      continue;
    }
    if (!answer || !(answer.headers()['content-type'] ?? '').startsWith('text/html')) continue;
    const text = await answer.text();
    if (answer.status() >= 400 && path !== '/admin/no/such/page/') problems.push(`${answer.status()} at ${path}, linked from ${sources.get(path)}`);
    for (const problem of forbiddenMarkup(text)) problems.push(`${path}: ${problem}`);
    if (text.length > 250_000) problems.push(`${path}: ${text.length} bytes of HTML`);
    const short = kind(path).replace(/\?.+/, '?…');
    if (!pages.has(short)) pages.set(short, { path, title: await person.page.title() });
    problems.push(...(await person.page.evaluate(() => {
      const found = [];
      if (!document.title) found.push('no title');
      if (document.querySelectorAll('h1').length !== 1) found.push(`${document.querySelectorAll('h1').length} h1`);
      for (const use of document.querySelectorAll('svg use')) {
        const box = use.getClientRects().length ? use.getBBox() : null;
        if (box && box.width === 0 && box.height === 0) found.push(`the icon ${use.getAttribute('href')} is not there`);
      }
      for (const form of document.querySelectorAll('form[method=post i]')) {
        if (form.method === 'post' && !form.querySelector('[name=csrf]')) found.push(`a form without a token: ${form.action}`);
      }
      return [...new Set(found)];
    })).map((problem) => `${path}: ${problem}`));
    const links = await person.page.$$eval('a[href]', (nodes) => nodes.map((node) => (typeof node.href === 'string' ? node.href : new URL(node.href.baseVal, document.baseURI).href)));
    for (const href of links) {
      const url = new URL(href);
      url.hash = '';
      const next = url.pathname + url.search;
      if (url.origin !== server.origin || !url.pathname.startsWith('/admin/') || url.pathname.startsWith('/admin/static/') || seen.has(next)) continue;
      seen.add(next);
      sources.set(next, path);
      waiting.push(next);
    }
  }
  return problems;
}
const sources = new Map();

/** The same problem of many pages once. */
function grouped(problems) {
  const groups = new Map();
  for (const problem of problems) {
    const [, path, text] = /^(\/admin\/\S*): ([^]*)$/.exec(problem) ?? [null, '', problem];
    // Addresses of assets change with what they hold; ids are of one page.
    const key = text.replace(/\/static\/[0-9a-f]+\//g, '/static/');
    groups.set(key, [...(groups.get(key) ?? []), path]);
  }
  return [...groups].map(([text, paths]) => `${text}${paths[0] ? `\n      on ${[...new Set(paths)].slice(0, 4).join(' ')}${paths.length > 4 ? ` and ${paths.length - 4} more` : ''}` : ''}`);
}

const person = await visit.person();
const records = () => server.database.rows('SELECT action FROM audit_log ORDER BY seq').map(([action]) => action);
const recorded = records().length;
const before = server.database.digests();
await suite.test('every page that a link leads to is there, under the policy, and shows nothing inline', async () => {
  const problems = await crawl(person);
  return grouped([...problems, ...person.watch.take()]);
});
console.log(`crawl: ${pages.size} kinds of pages`);
await suite.test('looking at every page changed nothing in the database', () => {
  const after = server.database.digests();
  const changed = Object.keys(after).filter((table) => after[table] !== before[table] && !/^audit_/.test(table));
  // That somebody looked at payloads or took rows with them is on record, and nothing else is.
  const written = [...new Set(records().slice(recorded))].filter((action) => !/view|read|reveal|export/.test(action));
  return [...changed.map((table) => `the table ${table} changed`), ...written.map((action) => `${action} is on record`)];
});
await suite.test('a page that was refused or is not there keeps the shell and says what to do', async () => {
  await person.page.goto('/admin/no/such/page/');
  assert(await person.page.getByRole('navigation', { name: 'Main' }).isVisible(), 'the navigation is there');
  none(await axe(person.page));
});
await suite.test('whoever has not logged in is led to the log-in from every page', async () => {
  const stranger = await visit.person({ email: null });
  const problems = [];
  for (const { path } of pages.values()) {
    if (/\/admin\/(login|setup|static)/.test(path)) continue;
    const answer = await stranger.page.goto(path).catch(() => null);
    if (answer && !stranger.page.url().includes('/admin/login/') && answer.status() < 400) problems.push(`${path} was shown to a stranger`);
  }
  await stranger.context.close();
  return problems;
});
for (const theme of THEMES) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await suite.test(`axe finds nothing on ${pages.size} pages, ${theme}, ${viewport.width} px`, async () => {
      const viewer = await visit.person({ viewport, colorScheme: theme });
      const problems = [];
      for (const [name, { path }] of [...pages, ['login', { path: '/admin/login/' }], ['setup', { path: '/admin/setup/?token=wrong' }]]) {
        if (name === 'login') await viewer.context.clearCookies();
        await viewer.page.goto(path).catch(() => null);
        await viewer.page.screenshot({ path: join(folder(join(shots, 'pages')), `${name.replace(/[^A-Za-z]+/g, '-').slice(0, 80)}.${theme}.${size}.png`), fullPage: true });
        for (const problem of [...await axe(viewer.page), ...await layoutProblems(viewer.page)]) problems.push(`${path}: ${problem}`);
      }
      await viewer.context.close();
      return grouped([...problems, ...viewer.watch.take()]);
    });
  }
}
await suite.test('the detector sees what it is there for', async () => {
  const page = person.page;
  await page.goto('/admin/');
  await page.evaluate(() => {
    const node = document.createElement('div');
    node.innerHTML = '<p style="color: red" onclick="alert(1)">x</p>';
    document.body.append(node);
  });
  await page.waitForTimeout(200);
  const found = person.watch.take();
  assert(found.some((problem) => /style-src-attr/.test(problem)) && found.some((problem) => /script-src-attr/.test(problem)), `found ${found}`);
});

await visit.end();
await server.stop();
upstream.stop();
suite.finish();
