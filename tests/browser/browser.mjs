// A real Chromium, what every page is held to, and how results are told. No test framework.
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where scripts/browser.sh put the packages; it says so, and there is only one place by default. */
function installed() {
  const base = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'automate-browser-tests');
  const found = existsSync(base) ? readdirSync(base).map((name) => join(base, name, 'node_modules')).filter((path) => existsSync(path)) : [];
  if (!found.length) throw new Error('the packages are not there: run scripts/browser.sh install');
  return found[0];
}
const modules = process.env.AUTOMATE_BROWSER_MODULES ?? installed();
const { chromium } = await import(pathToFileURL(join(modules, 'playwright-core/index.mjs')));
const axeSource = readFileSync(join(modules, 'axe-core/axe.min.js'), 'utf8');

/** Where screenshots go that are not part of the documentation. */
export const shots = process.env.AUTOMATE_BROWSER_SHOTS ?? '/tmp/automate-browser-screenshots';
mkdirSync(shots, { recursive: true });

export const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };
export const THEMES = ['light', 'dark'];

export async function launch() {
  return chromium.launch({
    executablePath: process.env.AUTOMATE_BROWSER ?? '/usr/bin/chromium',
    // By itself it would close the browser and let the tests go on without one.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** What no page may do. Every context is watched from its first request on; `take()` gives what was found since the last call. */
export class Watch {
  constructor(origin, { headers = true } = {}) {
    this.origin = origin;
    this.headers = headers;
    this.found = [];
    /** Statuses from 500 on that a test provokes. */
    this.allowed = new Set();
  }

  say(problem) {
    if (!this.found.includes(problem)) this.found.push(problem);
  }

  take() {
    const found = this.found;
    this.found = [];
    return found;
  }

  async over(context) {
    await context.exposeBinding('__violated', (source, what) => this.say(`policy violated on ${source.frame.url()}: ${what}`));
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => window.__violated(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile ?? ''}:${event.lineNumber} ${event.sample}`));
    });
    context.on('console', (message) => {
      if (message.type() !== 'error') return;
      // A refused form is a 4xx, which the browser logs; what is wrong with a status is judged below.
      if (/Failed to load resource: the server responded with a status of [45]\d\d/.test(message.text())) return;
      this.say(`console error on ${message.page()?.url()}: ${message.text()}`);
    });
    context.on('weberror', (error) => this.say(`page error on ${error.page()?.url()}: ${error.error()}`));
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.origin}/`) && !url.startsWith('data:') && url !== 'about:blank') this.say(`request to another origin: ${url}`);
    });
    context.on('response', (response) => this.response(response).catch(() => {}));
  }

  async response(response) {
    const url = response.url();
    if (!url.startsWith(this.origin)) return;
    if (response.status() >= 500 && !this.allowed.has(response.status())) this.say(`${response.status()} from ${response.request().method()} ${url}`);
    const headers = await response.allHeaders();
    for (const problem of this.headers ? headerProblems(headers) : []) this.say(`${url}: ${problem}`);
  }
}

/** What is wrong with the headers of an answer that is HTML. */
export function headerProblems(headers) {
  if (!(headers['content-type'] ?? '').startsWith('text/html')) return [];
  const problems = [];
  const policy = headers['content-security-policy'];
  if (!policy) problems.push('no content-security-policy');
  else {
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
      if (!policy.includes(part)) problems.push(`the policy lacks ${part}`);
    }
    if (/unsafe-/.test(policy)) problems.push(`the policy allows ${policy.match(/'unsafe-[^']*'/)?.[0]}`);
  }
  if (headers['x-content-type-options'] !== 'nosniff') problems.push('no x-content-type-options: nosniff');
  for (const name of ['referrer-policy', 'cross-origin-opener-policy']) if (!headers[name]) problems.push(`no ${name}`);
  return problems;
}

/** What axe finds: every violation as one line. Injected by evaluation, because the policy rightly refuses a script tag. */
export async function axe(page, { exclude = [] } = {}) {
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(axeSource);
  const found = await page.evaluate(async (exclude) => {
    const result = await window.axe.run({ include: [['html']], exclude: exclude.map((each) => [each]) }, {
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
      resultTypes: ['violations'],
      // It would fetch every sheet once more; no rule asked for here reads them.
      preload: false,
    });
    return result.violations.map((rule) => ({
      id: rule.id,
      help: rule.help,
      nodes: rule.nodes.slice(0, 5).map((node) => `${node.target.join(' ')} ${node.html.slice(0, 140)} ${node.any.concat(node.all).map((check) => check.message).join('; ').slice(0, 240)}`),
      count: rule.nodes.length,
    }));
  }, exclude);
  return found.map((rule) => `axe ${rule.id} ×${rule.count}: ${rule.help}\n      ${rule.nodes.join('\n      ')}`);
}

/** Attributes that the policy would refuse, found in the text of a page. */
export function forbiddenMarkup(html) {
  const problems = [];
  // The text of a page cannot match: in it `<` and `"` are escaped.
  for (const [tag] of html.matchAll(/<[a-zA-Z][^<>]*>/g)) {
    const bare = tag.replace(/"[^"]*"/g, '""').replace(/'[^']*'/g, "''");
    if (/\sstyle\s*=/i.test(bare)) problems.push(`style= in ${tag.slice(0, 120)}`);
    if (/\son[a-z]+\s*=/i.test(bare)) problems.push(`on…= in ${tag.slice(0, 120)}`);
    if (/\s(?:href|src|action|formaction)\s*=\s*["']?\s*javascript:/i.test(tag)) problems.push(`javascript: in ${tag.slice(0, 120)}`);
    if (/\s(?:src|href)\s*=\s*["']?(?:https?:)?\/\//i.test(tag) && /^<(?:script|link|img|use|iframe)/i.test(tag)) problems.push(`another origin in ${tag.slice(0, 120)}`);
  }
  if (/<style[\s>]/i.test(html)) problems.push('a <style> element');
  if (/<script(?![^>]*\ssrc=)[^>]*>/i.test(html)) problems.push('a <script> with text');
  return problems;
}

/** Too small or too near to its neighbours (WCAG 2.5.8), sideways scrolling (1.4.10). */
export async function layoutProblems(page) {
  return page.evaluate(() => {
    const problems = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth + 1) {
      const wide = [...document.querySelectorAll('main *, header *')].filter((node) => {
        const box = node.getBoundingClientRect();
        return box.right > root.clientWidth + 1 && box.width > 0 && !node.parentElement.closest('.table-wrap, .chart, .graph, pre, .tabs, ol.code, .log, .editor');
      });
      problems.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}, for example ${wide.slice(0, 3).map((node) => `${node.tagName}.${node.className}`).join(', ')}`);
    }
    return problems;
  });
}

/** Names of tests as they pass and fail; the number at the end; the exit status. */
export class Suite {
  constructor(name) {
    this.name = name;
    this.passed = 0;
    this.failed = 0;
    this.skipped = 0;
  }

  async test(title, deed) {
    const start = Date.now();
    try {
      const problems = (await deed()) ?? [];
      if (problems.length) throw new Problems(problems);
      this.passed += 1;
      console.log(`ok      ${this.name}: ${title} (${Date.now() - start} ms)`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED  ${this.name}: ${title}`);
      const lines = error instanceof Problems ? error.list : [(error.stack ?? String(error)).replace(/\nBrowser logs:[^]*?(?=\n    at |$)/, '')];
      for (const line of lines.slice(0, 40)) console.log(`    ${line}`);
      if (lines.length > 40) console.log(`    and ${lines.length - 40} more`);
    }
  }

  skip(title, why) {
    this.skipped += 1;
    console.log(`SKIPPED ${this.name}: ${title}: ${why}`);
  }

  finish() {
    console.log(`${this.name}: ${this.passed} passed, ${this.failed} failed${this.skipped ? `, ${this.skipped} skipped` : ''}`);
    if (process.env.AUTOMATE_BROWSER_COUNTS) appendFileSync(process.env.AUTOMATE_BROWSER_COUNTS, `${this.name} ${this.passed} ${this.failed} ${this.skipped}\n`);
    process.exitCode = this.failed ? 1 : 0;
  }
}

/** Several things wrong at once. */
class Problems extends Error {
  constructor(list) {
    super(list.join('\n'));
    this.list = list;
  }
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}
export function equal(actual, expected, message) {
  if (actual !== expected) throw new Error(`${message}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}
/** Fails with every problem of a list on a line of its own. */
export function none(problems) {
  if (problems.length) throw new Problems(problems);
}
export async function until(condition, what, seconds = 5) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => { setTimeout(done, 50); });
  }
}
