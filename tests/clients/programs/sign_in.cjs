// Who a program of Node is, from what its environment says: SIGN_IN names a file with {tenant, client_id, client_secret, endpoint}, {name, key} or {sas}.
const fs = require("fs");
const { ClientSecretCredential } = require("@azure/identity");

module.exports = function signIn(SharedKey) {
  const s = JSON.parse(fs.readFileSync(process.env.SIGN_IN));
  if (s.sas) return { credential: undefined, query: "?" + s.sas };
  if (s.key) return { credential: new SharedKey(s.name, s.key), query: "" };
  return { credential: new ClientSecretCredential(s.tenant, s.client_id, s.client_secret, { authorityHost: s.endpoint, disableInstanceDiscovery: true }), query: "" };
};
