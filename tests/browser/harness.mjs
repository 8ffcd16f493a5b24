// The real `automate serve` on a fresh database and a free port, people who log in, and what a page must never do.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, openSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SIZES, Watch, assert, launch, until } from './browser.mjs';

export const PASSWORD = 'a long walk by the sea';
export const ADA = 'ada@example.com';

/** A fresh database: a file, or one of its own at TEST_DATABASE_URL. */
class Database {
  constructor(folder) {
    const base = process.env.TEST_DATABASE_URL;
    if (!base) {
      this.kind = 'sqlite';
      this.path = join(folder, 'automate.db');
      this.url = `sqlite://${this.path}`;
      return;
    }
    this.kind = 'postgres';
    this.base = base;
    this.name = `automate_test_browser_${process.pid}_${Math.floor(performance.now())}`;
    this.psql(base, `CREATE DATABASE "${this.name}"`);
    const url = new URL(base);
    url.pathname = `/${this.name}`;
    this.url = url.toString();
  }

  psql(url, sql) {
    const folders = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin/psql`) : [];
    const psql = [...folders.sort().reverse().filter((path) => existsSync(path)), 'psql'][0];
    return execFileSync(psql, ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', sql], { encoding: 'utf8', maxBuffer: 1 << 28 });
  }

  /** Every table with a digest of its rows, but those that reading may change: when a session was last seen, how often somebody asked. */
  digests(leaveOut = ['sessions', 'rate_buckets', 'usage_counters', 'processes']) {
    const all = this.kind === 'sqlite' ? this.sqliteDigests() : this.postgresDigests();
    return Object.fromEntries(Object.entries(all).filter(([table]) => !leaveOut.includes(table)));
  }

  sqliteDigests() {
    const code = `
import hashlib, json, sqlite3, sys
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
print(json.dumps({table: hashlib.sha256(repr(sorted(map(repr, db.execute('SELECT * FROM "%s"' % table)))).encode()).hexdigest() for table in tables}))`;
    return JSON.parse(execFileSync('python3', ['-c', code, this.path], { encoding: 'utf8', maxBuffer: 1 << 28 }));
  }

  postgresDigests() {
    const tables = this.psql(this.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").split('\n').filter(Boolean);
    const one = (table) => `SELECT '${table}', md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM "${table}" t`;
    return Object.fromEntries(this.psql(this.url, tables.map(one).join(' UNION ALL ')).split('\n').filter(Boolean).map((line) => line.split('|')));
  }

  /** Rows of a question that both databases understand. */
  rows(sql) {
    if (this.kind === 'postgres') return this.psql(this.url, sql).split('\n').filter(Boolean).map((line) => line.split('|'));
    const code = 'import json, sqlite3, sys\ndb = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)\nprint(json.dumps([[value if not isinstance(value, bytes) else value.hex() for value in row] for row in db.execute(sys.argv[2])]))';
    return JSON.parse(execFileSync('python3', ['-c', code, this.path, sql], { encoding: 'utf8', maxBuffer: 1 << 28 }));
  }

  drop() {
    if (this.kind === 'postgres') this.psql(this.base, `DROP DATABASE IF EXISTS "${this.name}" WITH (FORCE)`);
  }
}

/** Servers that a signal must not leave behind. */
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    console.log(`stopped by ${signal}; nothing of what follows was tried`);
    for (const server of running) server.process.kill('SIGKILL');
    process.exit(1);
  });
}

/** A running server in a folder of its own. */
export class Server {
  static async start({ user = true, serve = [], settings = {} } = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'automate-browser-'));
    server.database = new Database(server.folder);
    server.bin = resolve(process.env.AUTOMATE_BIN ?? 'target/debug/automate');
    assert(existsSync(server.bin), `${server.bin} is not there: cargo build --bin automate`);
    const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AUTOMATE_') && name !== 'DATABASE_URL' && !/_proxy$/i.test(name)));
    // The upstreams of the tests listen here.
    server.env = { ...plain, DATABASE_URL: server.database.url, AUTOMATE_EGRESS__ALLOW: '127.0.0.1/32', RUST_LOG: 'warn', ...settings };
    if (server.database.kind === 'postgres') server.cli(['migrate', 'up']);
    if (user) server.superuser(ADA);
    await server.serve(serve);
    return server;
  }

  async serve(more = []) {
    const out = join(this.folder, 'serve.out');
    const log = join(this.folder, 'serve.log');
    writeFileSync(out, '');
    this.process = spawn(this.bin, ['serve', '--bind', this.bind ?? '127.0.0.1:0', ...more], { cwd: this.folder, env: this.env, stdio: ['ignore', openSync(out, 'a'), openSync(log, 'a')] });
    running.add(this);
    this.process.on('exit', (code) => {
      this.ended = code ?? 'killed';
      running.delete(this);
    });
    this.ended = undefined;
    const said = () => readFileSync(out, 'utf8');
    await until(() => {
      assert(this.ended === undefined, `the server ended with ${this.ended}:\n${readFileSync(log, 'utf8').slice(-2000)}`);
      return /http:\/\/[^\s/]+/.test(said()) && said().includes('\n');
    }, 'the address of the server', 60);
    [this.origin] = /http:\/\/[^\s/]+/.exec(said());
    this.bind = this.origin.slice('http://'.length);
    await until(async () => (await fetch(`${this.origin}/readyz`).catch(() => null))?.status === 200, '/readyz', 60);
    this.said = () => said() + readFileSync(log, 'utf8');
  }

  /** Runs a command; its stdout. */
  cli(args, input = '') {
    return execFileSync(this.bin, args, { cwd: this.folder, env: this.env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
  }

  superuser(email) {
    this.cli(['createsuperuser', '--email', email, '--password-stdin'], PASSWORD);
  }

  /** Imports and publishes a document. */
  publish(name, document) {
    const file = join(this.folder, `${name}.yaml`);
    writeFileSync(file, document);
    this.cli(['workflow', 'import', file, '--publish']);
  }

  async kill(signal = 'SIGTERM') {
    if (this.ended !== undefined) return;
    this.process.kill(signal);
    await until(() => this.ended !== undefined, 'the end of the server', 40);
  }

  async stop() {
    await this.kill('SIGTERM').catch(() => this.process.kill('SIGKILL'));
    this.database.drop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A service that workflows call: answers as told, and remembers what it was asked. */
export class Upstream {
  static async start() {
    const upstream = new Upstream();
    upstream.status = 200;
    upstream.asked = [];
    /** What it waits for before it answers. */
    upstream.held = null;
    upstream.server = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => { body += part; });
      request.on('end', () => {
        upstream.asked.push({ method: request.method, url: request.url, headers: request.headers, body });
        const answer = upstream.status < 400 ? { name: 'Grace Hopper', id: 7 } : { error: 'the database of the shop is away' };
        Promise.resolve(upstream.held).then(() => response.writeHead(upstream.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer)));
      });
    });
    await new Promise((done) => { upstream.server.listen(0, '127.0.0.1', done); });
    upstream.origin = `http://127.0.0.1:${upstream.server.address().port}`;
    return upstream;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A browser on a server: contexts that are watched. */
export class Visit {
  static async begin(server) {
    const visit = new Visit();
    visit.server = server;
    visit.browser = await launch();
    return visit;
  }

  /** A person with a browser of their own; logged in unless `email` is null. */
  async person({ email = ADA, password = PASSWORD, keyboard = false, ...options } = {}) {
    const watch = new Watch(this.server.origin);
    const context = await this.browser.newContext({ viewport: SIZES.wide, baseURL: this.server.origin, acceptDownloads: true, ...options });
    context.setDefaultTimeout(10_000);
    await watch.over(context);
    const page = await context.newPage();
    if (keyboard) forbidMouse(page);
    const person = { page, context, watch, options, keyboard };
    if (email) await logIn(page, email, password, keyboard);
    return person;
  }

  async end() {
    await this.browser.close();
  }
}

/** Everything that a mouse or a finger could do throws. */
function forbidMouse(page) {
  const forbid = (what) => () => { throw new Error(`${what} in a journey by keyboard`); };
  for (const name of ['click', 'dblclick', 'move', 'down', 'up', 'wheel']) page.mouse[name] = forbid(`mouse.${name}`);
  for (const name of ['click', 'dblclick', 'hover', 'tap', 'check', 'uncheck', 'dragAndDrop', 'fill', 'selectOption', 'setChecked']) page[name] = forbid(`page.${name}`);
  page.touchscreen.tap = forbid('touchscreen.tap');
}

export async function logIn(page, email, password = PASSWORD, keyboard = false) {
  await page.goto('/admin/login/');
  if (keyboard) {
    await focusByTab(page, page.getByLabel('E-mail address'));
    await page.keyboard.type(email);
    await focusByTab(page, page.getByLabel('Password'));
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
  } else {
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
  }
  await page.waitForURL(/\/admin\/(?!login)/);
}

/** Presses Tab until something has the focus; fails where the keyboard cannot get there. */
export async function focusByTab(page, locator, limit = 250) {
  await locator.first().waitFor();
  const there = () => locator.first().evaluate((node) => node === document.activeElement || (node.tagName === 'SUMMARY' && document.activeElement === node));
  for (let step = 0; step < limit; step += 1) {
    if (await there()) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the keyboard cannot reach ${locator}`);
}

/** One person, three ways: with scripts and a mouse, without scripts, by keyboard alone. The journeys say what, this says how. */
export class Hand {
  constructor(person) {
    this.page = person.page;
    this.keyboard = person.keyboard;
  }

  /** Follows a link or presses a button, and waits for the page that it leads to. */
  async press(locator) {
    const one = locator.first();
    if (this.keyboard) {
      await focusByTab(this.page, one);
      await this.page.keyboard.press('Enter');
    } else {
      await one.click();
    }
    await this.page.waitForLoadState();
  }

  async write(locator, text) {
    const one = locator.first();
    if (!this.keyboard) return one.fill(text);
    await focusByTab(this.page, one);
    await this.page.keyboard.press('Control+a');
    await this.page.keyboard.press('Delete');
    // As pasting does; key by key, a document would take minutes.
    return this.page.keyboard.insertText(text);
  }

  async choose(locator, label) {
    const one = locator.first();
    if (!this.keyboard) return one.selectOption({ label });
    await focusByTab(this.page, one);
    return this.page.keyboard.type(label);
  }

  async tick(locator, on = true) {
    const one = locator.first();
    if (!this.keyboard) return one.setChecked(on);
    if ((await one.getAttribute('type')) === 'radio') return this.pick(one);
    await focusByTab(this.page, one);
    if ((await one.isChecked()) !== on) await this.page.keyboard.press('Space');
    return null;
  }

  /** Tab leads to a group of radio buttons, arrows from one to the next. */
  async pick(one) {
    const name = await one.getAttribute('name');
    const inGroup = () => this.page.evaluate((group) => document.activeElement?.name === group, name);
    for (let step = 0; step < 250 && !(await inGroup()); step += 1) await this.page.keyboard.press('Tab');
    for (let step = 0; step < 10 && !(await one.isChecked()); step += 1) await this.page.keyboard.press('ArrowDown');
    assert(await one.isChecked(), `the keyboard cannot choose ${one}`);
  }

  /** Opens a `details` where it is closed. */
  async unfold(summary) {
    if (!(await summary.first().evaluate((node) => node.parentElement.open))) await this.press(summary);
  }

  /** Goes to a page by the navigation. */
  async go(name) {
    await this.press(this.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }));
  }
}

/** The text of a page, or its JSON, with the cookies of a context and nothing else of a browser: for what browsers do not send. */
export async function raw(person, method, path, { form, headers = {}, body } = {}) {
  const cookies = await person.context.cookies();
  const origin = person.page.context()._options?.baseURL ?? new URL(person.page.url()).origin;
  const answer = await fetch(new URL(path, origin), {
    method,
    redirect: 'manual',
    headers: { cookie: cookies.map((cookie) => `${cookie.name}=${cookie.value}`).join('; '), ...(form ? { 'content-type': 'application/x-www-form-urlencoded', origin } : {}), ...headers },
    body: form ? new URLSearchParams(form).toString() : body,
  });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
}

export function folder(path) {
  mkdirSync(path, { recursive: true });
  return path;
}
