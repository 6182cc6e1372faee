// oidc-provider as an outside issuer: argv is the port, the issuer's URL and a file with its private JWKS and clients.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, issuer, file] = process.argv.slice(2);
const given = JSON.parse(readFileSync(file, 'utf8'));
const packages = createRequire(pathToFileURL(`${process.env.EG_PROVIDERS}/oidc/package.json`));
const { Provider } = await import(pathToFileURL(packages.resolve('oidc-provider')));

const provider = new Provider(issuer, {
  jwks: given.jwks,
  clients: given.clients.map((client) => ({ ...client, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], id_token_signed_response_alg: given.alg })),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource, scope: 'use', accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg: given.alg } },
      }),
    },
  },
});
provider.proxy = true;
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
