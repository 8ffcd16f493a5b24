// Rows of every kind, made as people make them: by the command line, webhooks and the engine itself.
import { until } from './browser.mjs';

/** Workflows that go well, fail, wait and run long, and what they leave behind. */
export async function seed(server, upstream) {
  server.publish('greet', `workflow: greet
title: Greet
on:
  - webhook: greet
    verify: { scheme: none }
  - manual: true
steps:
  - id: name
    set: { who: "{{ event.payload.name | default('nobody') }}" }
  - id: note
    uses: log.write
    with: { message: "hello {{ steps.name.output.who }}" }
output: { greeted: "{{ steps.name.output.who }}" }
`);
  server.publish('shop-order', `workflow: shop-order
title: An order of the shop
labels: { team: sales }
on:
  - webhook: shop
    verify: { scheme: none }
  - manual: true
steps:
  - id: customer
    uses: http.request
    with: { method: GET, url: "${upstream.origin}/customers/7" }
    retry: { max_attempts: 2, initial: 100ms }
  - id: note
    uses: log.write
    with: { message: "{{ steps.customer.output.body.name }}" }
`);
  server.publish('nap', `workflow: nap
on:
  - manual: true
steps:
  - id: sleep
    wait: { for: 1h }
`);
  const send = (path, body) => fetch(`${server.origin}/hooks/default/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  for (const name of ['Ada', 'Grace', '<img src=x onerror=alert(1)>']) await send('greet', { name });
  await send('shop', { order: 1 });
  upstream.status = 500;
  await send('shop', { order: 2 });
  await send('nowhere', { lost: true });
  await fetch(`${server.origin}/hooks/default/greet`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'no json' });
  server.cli(['run', 'nap']);
  server.cli(['secrets', 'set', 'SHOP_TOKEN'], 'not to be seen');
  server.cli(['token', 'create', '--name', 'for-the-shop', '--user', 'ada@example.com', '--scopes', 'workflows:read']);
  await until(() => {
    const list = JSON.parse(server.cli(['executions', 'list', '--json'])).results;
    const ended = list.filter((each) => ['completed', 'failed'].includes(each.status));
    return ended.length >= 5 && list.some((each) => each.status === 'waiting');
  }, 'the executions of the seed to end', 60);
  upstream.status = 200;
}
