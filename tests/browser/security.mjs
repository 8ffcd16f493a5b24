// What a page, a form or a link must not let anybody do.
import { Suite, assert, equal, none, until } from './browser.mjs';
import { ADA, PASSWORD, Server, Upstream, Visit, raw } from './harness.mjs';
import { seed } from './seed.mjs';

const suite = new Suite('security');
const upstream = await Upstream.start();
const server = await Server.start();
await seed(server, upstream);
const visit = await Visit.begin(server);
const ada = await visit.person();
const csrf = async (person, path = '/admin/me/') => {
  await person.page.goto(path);
  return person.page.locator('[name=csrf]').first().inputValue();
};

/** What browsers have taken for markup, scripts or addresses. */
const XSS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "'><details open ontoggle=alert(1)>",
  '</textarea><script>alert(1)</script>',
  '</title><script>alert(1)</script>',
  'javascript:alert(1)',
  '{{7*7}} ${7*7} <%= 7*7 %>',
  '<a href="javascript:alert(1)">x</a>',
  '\u202e<b>right to left</b>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '<!--<img src="--><img src=x onerror=alert(1)//">',
  '<style>*{display:none}</style>',
  '<base href=//evil.example>',
  '<form action=//evil.example><button>x',
];
const models = async (person) => {
  await person.page.goto('/admin/');
  return person.page.$$eval('nav.side a[href]', (nodes) => nodes.map((node) => new URL(node.href).pathname).filter((path) => /^\/admin\/[a-z_]+\/[a-z_]+\/$/.test(path)));
};

await suite.test('a form without the token, with a foreign origin or with a token of somebody else does nothing', async () => {
  const token = await csrf(ada);
  const before = server.database.digests();
  const problems = [];
  const tries = {
    'no token': [{ theme: 'dark' }, {}],
    'a wrong token': [{ theme: 'dark', csrf: 'x' }, {}],
    'a foreign origin': [{ theme: 'dark', csrf: token }, { origin: 'https://evil.example' }],
    'an opaque origin': [{ theme: 'dark', csrf: token }, { origin: 'null' }],
    'another site': [{ theme: 'dark', csrf: token }, { 'sec-fetch-site': 'cross-site' }],
  };
  for (const [name, [form, headers]] of Object.entries(tries)) {
    const answer = await raw(ada, 'POST', '/admin/me/look/', { form, headers });
    if (answer.status !== 403) problems.push(`${name}: ${answer.status}`);
    if (answer.headers['set-cookie']) problems.push(`${name}: a cookie was set`);
  }
  const after = server.database.digests();
  // What was refused may be on record.
  for (const table of Object.keys(after)) if (after[table] !== before[table] && !/^audit/.test(table)) problems.push(`${table} changed`);
  return problems;
});
await suite.test('the cookie of the session is kept from scripts and from other sites', async () => {
  const cookies = await ada.context.cookies();
  const session = cookies.filter((cookie) => cookie.httpOnly);
  assert(session.length > 0, `no cookie is httpOnly: ${JSON.stringify(cookies)}`);
  none(cookies.filter((cookie) => !cookie.httpOnly || cookie.sameSite === 'None').map((cookie) => `${cookie.name} is open to scripts or other sites`));
});
await suite.test('leaving ends the session on the server', async () => {
  const eve = await visit.person();
  const cookies = await eve.context.cookies();
  await eve.page.goto('/admin/logout/');
  await eve.page.getByRole('button', { name: 'Log out' }).last().click();
  await eve.page.waitForURL(/login/);
  await eve.context.addCookies(cookies);
  await eve.page.goto('/admin/me/');
  assert(eve.page.url().includes('/admin/login/'), 'the old cookie opens nothing');
  await eve.context.close();
});
await suite.test('next never leads to another site', async () => {
  const problems = [];
  for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example/', 'javascript:alert(1)', '/admin/../../evil', 'http:evil.example']) {
    const answer = await raw(ada, 'POST', '/admin/login/', { form: { email: ADA, password: PASSWORD, next }, headers: { cookie: '' } });
    const to = new URL(answer.headers.location ?? '/admin/', server.origin);
    if (to.origin !== server.origin) problems.push(`${next} leads to ${answer.headers.location}`);
  }
  return problems;
});
/** What is in a page, as a parser sees it, that none of the texts may have become. */
const MARKUP = 'main :is(script, img[onerror], svg[onload], [ontoggle], base, style, a[href^="javascript:" i], form[action^="//"])';
const becameMarkup = (page) => page.evaluate((markup) => Boolean(document.querySelector(markup)), MARKUP);
/** The same of addresses that are asked for from a page and parsed, not opened: hundreds of them take seconds. */
const askedFor = (page, paths) => page.evaluate(async ([markup, all]) => {
  const found = [];
  for (const path of all) {
    const answer = await fetch(path);
    const parsed = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (answer.status >= 500 || parsed.querySelector(markup)) found.push(`${path}: ${answer.status}`);
  }
  return found;
}, [MARKUP, paths]);
await suite.test('whatever somebody writes into a text field is shown as text', async () => {
  const problems = [];
  let fields = 0;
  for (const model of await models(ada)) {
    const answer = await ada.page.goto(`${model}add/`);
    if (!answer || answer.status() >= 400) continue;
    const tried = await ada.page.evaluate(async ([markup, texts]) => {
      const form = [...document.querySelectorAll('main form[method=post i]')].at(-1);
      const names = [...form.querySelectorAll('input[type=text], input[type=email], input:not([type]), textarea')].map((field) => field.name).filter(Boolean);
      const found = [];
      for (const text of names.length ? texts : []) {
        const data = new URLSearchParams(new FormData(form));
        for (const name of names) data.set(name, text);
        data.set('_save', '1');
        const answered = await fetch(form.action, { method: 'POST', body: data });
        const parsed = new DOMParser().parseFromString(await answered.text(), 'text/html');
        if (answered.status >= 500 || parsed.querySelector(markup)) found.push(`${answered.status} for ${text}`);
      }
      return { names, found };
    }, [MARKUP, XSS]);
    fields += tried.names.length;
    for (const problem of tried.found) problems.push(`${model} takes markup: ${problem}`);
    // And once as a browser shows it, with what was stored in the list.
    for (const path of [`${model}add/`, model]) {
      await ada.page.goto(path);
      for (const field of path.endsWith('/add/') ? await ada.page.locator('main form[method=post i] :is(input[type=text], textarea)').all() : []) {
        if (await field.isEditable() && await field.isVisible() && (await field.getAttribute('role')) !== 'combobox') await field.fill(XSS.slice(0, 6).join(' '));
      }
      const save = ada.page.getByRole('button', { name: /^save/i }).first();
      if (path.endsWith('/add/') && await save.count()) {
        await save.click();
        await ada.page.waitForLoadState();
      }
      if (await becameMarkup(ada.page)) problems.push(`${path} shows markup`);
    }
  }
  assert(fields >= 5, `only ${fields} fields were found`);
  // A workflow, its executions, its log lines, the headers and the body of a request.
  for (const text of XSS) {
    await fetch(`${server.origin}/hooks/default/greet`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-odd': text.replace(/[^\x20-\x7e]/g, '') }, body: JSON.stringify({ name: text }) });
  }
  for (const place of ['/admin/', '/admin/executions/', '/admin/webhooks/', '/admin/audit/', '/admin/dead/']) {
    await ada.page.goto(place);
    const links = await ada.page.$$eval('main table a[href]', (nodes) => nodes.slice(0, 16).map((node) => new URL(node.href).pathname));
    const paths = [...new Set(links)].filter((path) => path.startsWith('/admin/'));
    problems.push(...await askedFor(ada.page, paths));
    if (paths.length) await ada.page.goto(paths[0]);
    if (await becameMarkup(ada.page)) problems.push(`${paths[0]} takes a payload for markup`);
  }
  return [...problems, ...ada.watch.take()];
});
await suite.test('what is searched for is shown as text', async () => {
  const problems = [];
  for (const place of ['/admin/executions/', '/admin/palette/', ...await models(ada)]) {
    problems.push(...await askedFor(ada.page, XSS.map((text) => `${place}?q=${encodeURIComponent(text)}`)));
    await ada.page.goto(`${place}?q=${encodeURIComponent(XSS.slice(0, 6).join(' '))}`);
    if (await becameMarkup(ada.page)) problems.push(`${place} takes what is searched for for markup`);
  }
  return [...problems, ...ada.watch.take()];
});
await suite.test('an address with unknown or broken parameters is refused, not answered with an error of the server', async () => {
  const problems = [];
  for (const place of ['/admin/executions/', '/admin/webhooks/', '/admin/audit/', '/admin/dead/', ...await models(ada)]) {
    for (const query of ['?o=no_such_column', '?no_such_filter=1', '?after=%00', '?cursor=%F0%9F%92%A9', '?q=%27%22%25_%5C', '?page=-1', '?page=99999999999999999999', `?q=${'x'.repeat(5000)}`, '?state=%FF%FE']) {
      const answer = await raw(ada, 'GET', place + query);
      if (answer.status >= 500) problems.push(`${answer.status} from ${place}${query}`);
    }
  }
  for (const path of ['/admin/executions/not-an-id/', '/admin/executions/00000000-0000-7000-8000-000000000000/', '/admin/webhooks/x/', '/admin/workflows/no-such/', '/admin/workflows/greet/versions/999/', '/admin/workflows/..%2f..%2fetc/', '/admin/static/../../../etc/passwd', '/admin/static/0/..%2f..%2fCargo.toml']) {
    const answer = await raw(ada, 'GET', path);
    if (answer.status !== 404 && answer.status !== 400) problems.push(`${answer.status} from ${path}`);
  }
  return problems;
});
await suite.test('values of secrets are on no page', async () => {
  const problems = [];
  for (const path of ['/admin/secrets/', '/admin/', '/admin/audit/', '/admin/secrets/SHOP_TOKEN/']) {
    const answer = await raw(ada, 'GET', path);
    if (answer.text.includes('not to be seen')) problems.push(`${path} shows the value`);
  }
  return problems;
});
await suite.test('somebody without a permission gets 403, whatever they send', async () => {
  const made = ada.page.request;
  void made;
  const people = await models(ada);
  const users = people.find((path) => /\/user\/$/.test(path));
  if (!users) throw new Error(`there is no list of users among ${people}`);
  await ada.page.goto(`${users}add/`);
  await ada.page.getByLabel(/e-?mail/i).first().fill('eve@example.com');
  const password = ada.page.getByLabel(/^password/i);
  if (await password.count()) await password.first().fill(PASSWORD);
  const staff = ada.page.getByRole('checkbox', { name: /staff/i });
  if (await staff.count()) await staff.check();
  await ada.page.getByRole('button', { name: /^save/i }).first().click();
  await ada.page.waitForLoadState();
  const eve = await visit.person({ email: 'eve@example.com' });
  const token = await csrf(eve);
  const problems = [];
  for (const path of [...people, '/admin/executions/', '/admin/secrets/', '/admin/audit/', '/admin/outbox/']) {
    for (const verb of ['', 'add/', 'export/']) {
      const answer = await raw(eve, 'GET', path + verb);
      if (![403, 404, 405].includes(answer.status)) problems.push(`GET ${path}${verb}: ${answer.status}`);
    }
    const answer = await raw(eve, 'POST', `${path}add/`, { form: { csrf: token, name: 'x' } });
    if (![403, 404, 405].includes(answer.status)) problems.push(`POST ${path}add/: ${answer.status}`);
  }
  await eve.context.close();
  return problems;
});
await suite.test('two clicks on one button do it once', async () => {
  const failed = JSON.parse(server.cli(['executions', 'list', '--status', 'failed', '--json'])).results[0];
  await ada.page.goto(`/admin/executions/${failed.id}/`);
  const retry = ada.page.getByRole('button', { name: /^retry/i }).first();
  await retry.waitFor();
  await retry.dblclick();
  await ada.page.waitForLoadState();
  await until(() => JSON.parse(server.cli(['executions', 'show', failed.id, '--json'])).status !== 'failed', 'the retry', 20).catch(() => {});
  const entries = server.database.rows(`SELECT count(*) FROM audit_log WHERE action LIKE '%retry%' AND outcome <> 'asked'`);
  assert(Number(entries[0][0]) <= 1, `${entries[0][0]} retries are on record`);
  equal(ada.watch.take().length, 0, 'problems');
});

await visit.end();
await server.stop();
upstream.stop();
suite.finish();
