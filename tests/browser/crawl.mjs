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
    .replace(/(\/admin\/workflows\/)(?!new\/|workflow\/|version\/|trigger\/)[^/]+\//, '$1NAME/')
    .replace(/(\/admin\/(?:secrets\/key|connectors|queues|workers)\/)[^/]+\//, '$1NAME/')
    .replace(/(\/admin\/[a-z_]+\/[a-z_]+\/)(?!add\/|export\/|import\/|autocomplete\/|trash\/|history\/|action\/)[^/]+\/(change|delete|history|restore)\//, '$1PK/$2/');
  return `${pathname}?${[...new Set(url.searchParams.keys())].sort().join('&')}`;
};

/** For axe: one page of each place, one with a question, one of each tab. */
const pages = new Map();
const sources = new Map();
/** Two browsers' tabs at a time: while one waits for the server, the other lays out. */
const TABS = 2;
/** Breadth first; of each kind of page the first two, of each place eight at most. */
async function crawl(person) {
  const waiting = ['/admin/', '/admin/help/', '/admin/palette/?q=o', '/admin/executions/?q=state:failed', '/admin/executions/?q=nothing-matches-this', '/admin/no/such/page/'];
  const seen = new Set(waiting);
  const kinds = new Map();
  const problems = [];
  const visitOne = async (page, path) => {
    let answer;
    try {
      answer = await page.goto(path, { waitUntil: 'load' });
    } catch (error) {
      // A download is no page.
      if (!/Download is starting|ERR_ABORTED/.test(String(error))) problems.push(`${path}: ${error.message.split('\n')[0]}`);
      return;
    }
    if (!answer || !(answer.headers()['content-type'] ?? '').startsWith('text/html')) return;
    const text = await answer.text();
    if (answer.status() >= 400 && path !== '/admin/no/such/page/') problems.push(`${answer.status()} at ${path}, linked from ${sources.get(path)}`);
    for (const problem of forbiddenMarkup(text)) problems.push(`${path}: ${problem}`);
    if (text.length > 250_000) problems.push(`${path}: ${text.length} bytes of HTML`);
    const tab = new URL(path, server.origin).searchParams.get('tab');
    const short = kind(path).replace(/\?.+/, tab ? `?tab-${tab}` : '?…');
    if (!pages.has(short)) pages.set(short, { path, title: await page.title() });
    problems.push(...(await page.evaluate(() => {
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
      // A tag that nobody knows is a typing error: `<textareaid=` is no field.
      for (const node of document.querySelectorAll('*')) if (node instanceof HTMLUnknownElement) found.push(`the element <${node.localName}>`);
      for (const label of document.querySelectorAll('label')) if (!label.control) found.push(`the label "${label.textContent.trim()}" has no field`);
      // "1 steps" and the like, in what people read.
      const plural = /(?:^|[^\d.,:/-])1 (executions|steps|attempts|rows|events|requests|versions|workflows|errors|runs|tokens|users|groups|entries|times|days|hours|minutes|seconds|connections|secrets|workers|queues|others)\b/.exec(document.querySelector('main')?.innerText ?? '');
      if (plural) found.push(`says "${plural[0].trim()}"`);
      return [...new Set(found)];
    })).map((problem) => `${path}: ${problem}`));
    const links = await page.$$eval('a[href]', (nodes) => nodes.map((node) => (typeof node.href === 'string' ? node.href : new URL(node.href.baseVal, document.baseURI).href)));
    for (const href of links) {
      const url = new URL(href);
      url.hash = '';
      const next = url.pathname + url.search;
      if (url.origin !== server.origin || !url.pathname.startsWith('/admin/') || url.pathname.startsWith('/admin/static/') || seen.has(next)) continue;
      seen.add(next);
      sources.set(next, path);
      waiting.push(next);
    }
  };
  let busy = 0;
  await tabs(person, async (page) => {
    for (;;) {
      const path = waiting.shift();
      if (!path) {
        // The other one may still find links.
        if (!busy) return;
        await new Promise((done) => { setTimeout(done, 20); });
        continue;
      }
      // Filters, sorting and pages of lists combine without end.
      const [place] = kind(path).split('?');
      const counts = [[kind(path), 2], [`place ${place}`, 8]].map(([key, most]) => [key, kinds.get(key) ?? 0, most]);
      if (counts.some(([, count, most]) => count >= most)) continue;
      for (const [key, count] of counts) kinds.set(key, count + 1);
      busy += 1;
      try {
        await visitOne(page, path);
      } finally {
        busy -= 1;
      }
    }
  });
  return problems;
}

/** The same deed in every tab of a person. */
async function tabs(person, deed) {
  const more = await Promise.all(Array.from({ length: TABS - 1 }, () => person.context.newPage()));
  await Promise.all([person.page, ...more].map(deed));
  await Promise.all(more.map((page) => page.close()));
}

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
  const problems = [];
  for (const { path } of pages.values()) {
    if (/\/admin\/(login|setup|static)/.test(path)) continue;
    const answer = await fetch(new URL(path, server.origin), { redirect: 'manual', headers: { accept: 'text/html' } });
    await answer.arrayBuffer();
    const to = new URL(answer.headers.get('location') ?? '/', server.origin);
    if (answer.status < 400 && !(answer.status >= 300 && to.pathname === '/admin/login/')) problems.push(`${path} was shown to a stranger`);
  }
  return problems;
});

/** Each page in both themes and both sizes, as it was opened: what axe finds and what does not fit, by theme and size. */
const looks = new Map(THEMES.flatMap((theme) => Object.entries(SIZES).map(([size, viewport]) => [`${theme}, ${viewport.width} px`, { theme, size, viewport, seen: 0, problems: [] }])));
const look = async (page, name, path) => {
  await page.setViewportSize(SIZES.wide);
  await page.goto(path).catch(() => null);
  for (const each of looks.values()) {
    await page.emulateMedia({ colorScheme: each.theme });
    await page.setViewportSize(each.viewport);
    if (process.env.AUTOMATE_BROWSER_EVERY) await page.screenshot({ path: join(folder(join(shots, 'pages')), `${name.replace(/[^A-Za-z]+/g, '-').slice(0, 80)}.${each.theme}.${each.size}.png`), fullPage: true });
    for (const problem of [...await axe(page), ...await layoutProblems(page)]) each.problems.push(`${path}: ${problem}`);
    each.seen += 1;
  }
};
await suite.test(`${pages.size} pages were looked at in ${looks.size} ways`, async () => {
  const viewer = await visit.person();
  const waiting = [...pages];
  await tabs(viewer, async (page) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await look(page, next[0], next[1].path);
  });
  await viewer.context.clearCookies();
  await look(viewer.page, 'login', '/admin/login/');
  await look(viewer.page, 'setup', '/admin/setup/?token=wrong');
  const problems = viewer.watch.take();
  await viewer.context.close();
  return grouped(problems);
});
for (const [name, { seen, problems }] of looks) {
  await suite.test(`axe finds nothing on ${seen} pages, ${name}, and all of it fits`, () => {
    assert(seen === pages.size + 2, `only ${seen} of ${pages.size + 2} pages were looked at`);
    return grouped(problems);
  });
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
