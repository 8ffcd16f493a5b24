// A newcomer's path: from the set-up link to the audit log, three times: as most people go, without scripts, by keyboard alone.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Suite, assert, axe, equal, until } from './browser.mjs';
import { ADA, Hand, PASSWORD, Server, Upstream, Visit, folder } from './harness.mjs';

const documents = process.argv.includes('--screenshots');
const pictures = join(dirname(fileURLToPath(import.meta.url)), '../../docs/admin');

/** The document that the newcomer makes of the example: theirs calls the shop of this test. */
const document = (url) => `workflow: first-order
title: My first order
description: Looks the customer up and writes a line.
on:
  - webhook: first-orders
    verify: { scheme: none }
  - manual: true
steps:
  - id: order
    set:
      number: "{{ event.payload.number | default('A-0') }}"
  - id: customer
    uses: http.request
    with:
      method: GET
      url: "${url}"
    retry: { max_attempts: 2, initial: 100ms }
  - id: note
    uses: log.write
    with: { message: "{{ steps.customer.output.body.name }} bought {{ steps.order.output.number }}" }
output: { customer: "{{ steps.customer.output.body.name }}" }
`;
const EVENT = { number: 'A-1' };

const MODES = {
  'with a mouse': {},
  'without scripts': { javaScriptEnabled: false },
  'by keyboard alone': { keyboard: true },
};

const suite = new Suite('journey');
const only = documents ? 'with a mouse' : process.argv.find((each) => each.startsWith('--only='))?.slice('--only='.length);
for (const [mode, options] of Object.entries(MODES).filter(([name]) => !only || name.includes(only))) {
  const upstream = await Upstream.start();
  const server = await Server.start({ user: false });
  const visit = await Visit.begin(server);
  const person = await visit.person({ email: null, ...options });
  const { page, watch } = person;
  const hand = new Hand(person);
  const scripts = options.javaScriptEnabled !== false;
  const button = (name) => page.getByRole('main').getByRole('button', { name });
  const link = (name) => page.getByRole('main').getByRole('link', { name });
  let number = 0;
  const picture = async (name) => {
    number += 1;
    if (documents) await page.screenshot({ path: join(folder(pictures), `${String(number).padStart(2, '0')}-${name}.png`) });
  };
  let broken = false;
  /** One step of the path; once one does not get to its end, the next ones have nothing to stand on. */
  const step = async (title, deed) => {
    if (broken) return suite.skip(`${mode}: ${title}`, 'an earlier step failed');
    let done = false;
    await suite.test(`${mode}: ${title}`, async () => {
      try {
        await deed();
        done = true;
      } catch (error) {
        await page.screenshot({ path: join(folder(join(process.env.AUTOMATE_BROWSER_SHOTS ?? '/tmp', 'journey')), `${mode.replaceAll(' ', '-')}-${title.replace(/[^a-z]+/gi, '-').slice(0, 40)}.png`), fullPage: true }).catch(() => {});
        error.message += `\n    at ${page.url()}`;
        throw error;
      }
      return [...(scripts ? await axe(page) : []), ...watch.take()];
    });
    broken ||= !done;
    return null;
  };
  /** The page again, until it says what it is to say: by itself where scripts run, else by loading it. */
  const wait = (locator, what) => until(async () => {
    if (await locator.first().isVisible()) return true;
    if (!scripts) await page.reload();
    return false;
  }, what, 30);
  let execution;
  let curl;

  await step('the set-up link makes the first account', async () => {
    const [url] = /http:\/\/\S+\/admin\/setup\/\?token=\S+/.exec(server.said()) ?? [];
    assert(url, `the server prints a set-up link, but said:\n${server.said()}`);
    await page.goto(url);
    await picture('set-up');
    await hand.write(page.getByLabel('E-mail address'), ADA);
    await hand.write(page.getByLabel('Name', { exact: true }), 'Ada');
    await hand.write(page.getByLabel('Password', { exact: true }), PASSWORD);
    await hand.write(page.getByLabel('The password again'), PASSWORD);
    await hand.press(button('Make the account'));
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    await picture('overview-empty');
  });
  await step('an example becomes a workflow', async () => {
    await hand.go('Workflows');
    await hand.press(link(/new workflow|begin with an example/i));
    await hand.unfold(page.locator('main summary').filter({ hasText: /example/i }));
    await picture('examples');
    await hand.press(page.getByRole('main').locator('details li a[href*="from="]'));
    const area = page.getByRole('textbox', { name: 'Document' });
    assert((await area.inputValue()).includes('workflow:'), 'the example is there to be changed');
    await hand.write(area, document(`${upstream.origin}/customers/7`).replace('uses: log.write', 'uses: log.wirte'));
    // What is wrong is told while it is written, and by the button without scripts.
    if (!scripts) await hand.press(button('Check'));
    await page.getByText(/log\.wirte/).last().waitFor();
    await page.locator('a[data-line="19"]').first().waitFor();
    await picture('mistake');
    await hand.write(page.getByRole('textbox', { name: 'Document' }), document(`${upstream.origin}/customers/7`));
    if (scripts) await page.locator('a[data-line]').first().waitFor({ state: 'detached' });
    await picture('editor');
    await hand.press(button(/^save the draft/i));
    await page.getByText('first-order').first().waitFor();
    await picture('draft');
  });
  const open = async () => {
    await hand.go('Workflows');
    await hand.press(link('first-order'));
  };
  const test = async ({ version, pictures = false }) => {
    await open();
    await hand.press(link(/^test/i));
    equal(await page.getByLabel('Version').evaluate((select) => select.selectedOptions[0].text), version, 'what is tested');
    await hand.write(page.getByLabel('Event payload, as JSON'), JSON.stringify(EVENT));
    await hand.write(page.getByLabel('Answers of steps, as JSON'), '{"customer": {"body": {"name": "Ada"}}}');
    if (pictures) await picture('test');
    await hand.press(button('Run the test'));
    await page.waitForURL(/\/admin\/executions\/[0-9a-f-]{36}\//);
    await wait(page.locator('.page-head .state-completed'), 'the test to be completed');
    await page.locator('.page-head').getByText(/\btest\b/i).first().waitFor();
    if (pictures) await picture('test-run');
    await hand.press(link(/^I\/O of customer/));
    await page.getByText('would_have_called').first().waitFor();
    equal(upstream.asked.length, 0, 'requests to the shop');
  };
  await step('a test-run of the draft says what it would do, and does nothing', () => test({ version: 'the draft', pictures: true }));
  const publish = async (note) => {
    await open();
    await hand.press(link(/^publish/i));
    await hand.write(page.getByLabel('Note'), note);
    await hand.press(button(/^publish/i));
    await page.getByText(/published|version \d/i).first().waitFor();
  };
  await step('publishing makes it live', async () => {
    await publish('The first one');
    await picture('published');
  });
  await step('a test-run of what is live does nothing either', () => test({ version: 'version 1 (it runs)' }));
  await step('the webhook is sent with curl as the page shows', async () => {
    await open();
    const shown = page.locator('pre').filter({ hasText: 'curl' }).first();
    await shown.scrollIntoViewIfNeeded();
    await picture('webhook');
    curl = (await shown.textContent()).trim();
    const said = execFileSync('sh', ['-c', curl], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    execution = JSON.parse(said.slice(said.indexOf('{'))).execution_ids[0];
    assert(execution, `curl answered ${said}`);
  });
  await step('it is watched while it runs', async () => {
    let release;
    upstream.held = new Promise((answer) => { release = answer; });
    const again = JSON.parse(await (await fetch(`${server.origin}/hooks/default/first-orders`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...EVENT, number: 'A-2' }) })).text());
    await hand.go('Executions');
    await hand.press(page.getByRole('main').locator(`a[href*="${again.execution_ids[0]}"]`));
    await wait(page.locator('.page-head .state-running'), 'the execution to be shown as running');
    await picture('running');
    upstream.held = null;
    release();
    await wait(page.locator('.page-head .state-completed'), 'the execution to be shown as completed');
    await picture('completed');
  });
  await step('a broken one is found under Failing, and says why', async () => {
    upstream.status = 500;
    const broken = JSON.parse(await (await fetch(`${server.origin}/hooks/default/first-orders`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...EVENT, number: 'A-3' }) })).text());
    [execution] = broken.execution_ids;
    await until(() => JSON.parse(server.cli(['executions', 'show', execution, '--json'])).status === 'failed', 'the failure', 30);
    await hand.go('Overview');
    await hand.press(link(/failing/i));
    await picture('failing');
    await hand.press(page.getByRole('main').locator(`a[href*="${execution}"]`));
    await page.getByText('UPSTREAM_5XX').first().waitFor();
    await page.getByText('500').first().waitFor();
    await picture('failed');
  });
  await step('the workflow is mended and published', async () => {
    upstream.status = 200;
    await open();
    await hand.press(link(/^edit/i));
    await hand.write(page.getByRole('textbox', { name: 'Document' }), document(`${upstream.origin}/v2/customers/7`));
    await hand.press(button(/^save the draft/i));
    await publish('Asks the new address');
    await picture('mended');
  });
  await step('it runs again from the failed step, with the mended version', async () => {
    upstream.asked.length = 0;
    await hand.go('Executions');
    await hand.press(page.getByRole('main').locator(`a[href*="${execution}"]`));
    await hand.press(link(/run again from this step/i));
    equal(await page.getByLabel('Begin at').inputValue(), 'customer', 'the step that it begins at');
    await hand.tick(page.getByRole('radio', { name: /current version/i }));
    await picture('run-again');
    await hand.press(button('Run again'));
    await wait(page.locator('.page-head .state-completed'), 'the new execution to be completed');
    assert(!page.url().includes(execution), 'a new execution is shown');
    assert(upstream.asked.some((each) => each.url === '/v2/customers/7'), `the new address was asked, but ${upstream.asked.map((each) => each.url)}`);
    await picture('again');
  });
  await step('the audit log has it', async () => {
    await hand.go('Audit log');
    await page.getByText(/replay|re-?run|run again/i).first().waitFor();
    await page.getByText('Ada').or(page.getByText(ADA)).first().waitFor();
    await picture('audit');
  });
  await visit.end();
  await server.stop();
  upstream.stop();
}
suite.finish();
