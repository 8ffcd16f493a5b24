// Two people at one row, and lists that change under a selection.
import { Suite, assert, axe, equal, none } from './browser.mjs';
import { Server, Upstream, Visit } from './harness.mjs';
import { seed } from './seed.mjs';

const GRACE = 'grace@example.com';
const suite = new Suite('conflict');
const upstream = await Upstream.start();
const server = await Server.start();
server.superuser(GRACE);
await seed(server, upstream);
const visit = await Visit.begin(server);
const ada = await visit.person();
const grace = await visit.person({ email: GRACE });

/** The first list of the navigation whose rows can be made by a name alone. */
const groups = async () => {
  await ada.page.goto('/admin/');
  const paths = await ada.page.$$eval('nav.side a[href]', (nodes) => nodes.map((node) => new URL(node.href).pathname));
  const path = paths.find((each) => /^\/admin\/[a-z_]+\/group\/$/.test(each));
  assert(path, `there is no list of groups among ${paths}`);
  return path;
};
const make = async (person, list, name) => {
  await person.page.goto(`${list}add/`);
  await person.page.getByLabel(/^name/i).first().fill(name);
  await person.page.getByRole('button', { name: 'Save', exact: true }).click();
  await person.page.waitForURL((url) => !url.pathname.endsWith('/add/'));
  await person.page.goto(`${list}?q=${encodeURIComponent(name)}`);
  return new URL(await person.page.getByRole('main').getByRole('link', { name, exact: true }).first().evaluate((node) => node.href)).pathname;
};

await suite.test('the second of two who edit one row gets the conflict page, and can decide', async () => {
  const change = await make(ada, await groups(), 'Shift A');
  await ada.page.goto(change);
  await grace.page.goto(change);
  const save = async ({ page }, name) => {
    await page.getByLabel(/^name/i).first().fill(name);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.waitForLoadState();
  };
  await save(ada, 'Shift B');
  await save(grace, 'Shift C');
  const main = grace.page.getByRole('main');
  for (const text of ['Shift B', 'Shift C']) assert((await main.textContent()).includes(text) || (await grace.page.getByLabel(/name/i).first().inputValue()) === text, `the page shows ${text}`);
  await main.getByText(/changed|conflict/i).first().waitFor();
  none(await axe(grace.page));
  const groupsNow = server.database.rows("SELECT name FROM groups WHERE name LIKE 'Shift%'").flat();
  equal(groupsNow.join(), 'Shift B', 'the row');
  return [...ada.watch.take(), ...grace.watch.take()];
});
await suite.test('who saves what another deleted is told so', async () => {
  const change = await make(ada, await groups(), 'Gone');
  await grace.page.goto(change);
  await ada.page.goto(change.replace('/change/', '/delete/'));
  await ada.page.getByRole('main').getByRole('button', { name: /^delete/i }).click();
  await ada.page.waitForLoadState();
  await grace.page.getByLabel(/^name/i).first().fill('Still here');
  await grace.page.getByRole('button', { name: 'Save', exact: true }).click();
  await grace.page.waitForLoadState();
  await grace.page.getByText(/deleted|no longer|not there|does not exist/i).first().waitFor();
  return [...ada.watch.take(), ...grace.watch.take()];
});
await suite.test('all that match means what matched, not what came since', async () => {
  const list = await groups();
  for (const name of ['Batch 1', 'Batch 2', 'Batch 3']) await make(ada, list, name);
  await ada.page.goto(`${list}?q=Batch`);
  await make(grace, list, 'Batch 4');
  await ada.page.getByRole('checkbox', { name: /select all/i }).check();
  const across = ada.page.locator('[name=across], [name=select_across]');
  if (await across.count()) await across.first().check();
  const action = ada.page.getByLabel(/^action/i);
  await action.selectOption({ label: (await action.locator('option').allTextContents()).find((text) => /delete/i.test(text)) });
  await ada.page.getByRole('button', { name: /^(go|run)/i }).click();
  await ada.page.waitForLoadState();
  const confirm = ada.page.getByRole('main').getByRole('button', { name: /^delete/i });
  if (await confirm.count()) await confirm.click();
  await ada.page.waitForLoadState();
  equal(server.database.rows("SELECT name FROM groups WHERE name LIKE 'Batch%'").flat().join(), 'Batch 4', 'what is left');
  return [...ada.watch.take(), ...grace.watch.take()];
});

await visit.end();
await server.stop();
upstream.stop();
suite.finish();
