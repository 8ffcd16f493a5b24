// The identity provider of a test: oidc-provider (https://github.com/panva/node-oidc-provider) as it
// is, with clients, accounts and keys of its own. Started by tests/src/identity_provider.rs:
//
//   node server.mjs PORT REDIRECT_URI
//
// There is a client for each algorithm that ID tokens may be signed with. Its own development pages
// ask for a login name; each name is an account whose address is NAME@example.org.
import * as jose from 'jose';
import Provider from 'oidc-provider';

const [port, redirect] = process.argv.slice(2);
const algorithms = ['RS256', 'ES256', 'EdDSA'];

const keys = await Promise.all(algorithms.map(async (alg) => {
  const pair = await jose.generateKeyPair(alg, { extractable: true });
  return { ...(await jose.exportJWK(pair.privateKey)), alg, use: 'sig', kid: `key-${alg}` };
}));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: algorithms.map((alg) => ({
    client_id: `automate-${alg}`,
    client_secret: 'a client secret of the test',
    redirect_uris: [redirect],
    id_token_signed_response_alg: alg,
  })),
  jwks: { keys },
  cookies: { keys: ['a key of the test'] },
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.org`,
      email_verified: !id.startsWith('unverified'),
      name: `Name of ${id}`,
    }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
