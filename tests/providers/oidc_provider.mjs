// oidc-provider as an outside issuer: argv is the port, the issuer's URL and a file with its private JWKS and clients.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, issuer, file] = process.argv.slice(2);
const given = JSON.parse(readFileSync(file, 'utf8'));
const packages = createRequire(pathToFileURL(`${process.env.EG_PROVIDERS}/oidc/package.json`));
const { Provider } = await import(pathToFileURL(packages.resolve('oidc-provider')));

const service = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: given.alg };
const people = {
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native', token_endpoint_auth_method: 'none', id_token_signed_response_alg: given.alg,
};

const provider = new Provider(issuer, {
  jwks: given.jwks,
  clients: [
    ...given.clients.map((client) => ({ ...client, ...service, token_endpoint_auth_method: 'client_secret_post' })),
    ...given.people.map((client) => ({ ...client, ...people })),
    ...given.keyed.map((client) => ({ ...client, ...service, token_endpoint_auth_method: 'private_key_jwt' })),
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
  scopes: ['openid', 'offline_access', 'use'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource, scope: 'use', accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg: given.alg } },
      }),
    },
  },
});
provider.proxy = true;
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
