// Runs operations one after another and writes what held into a file: what programs of Node share. An operation gives [got, wanted] pairs.
const fs = require("fs");
const { isDeepStrictEqual, inspect } = require("util");

const found = [];

async function operation(name, run) {
  let pairs = [], wrong = [];
  try {
    pairs = await run();
    wrong = pairs.filter(([got, wanted]) => !isDeepStrictEqual(got, wanted)).map((p) => inspect(p).slice(0, 600));
  } catch (e) {
    wrong = [inspect(e).slice(0, 1500)];
  }
  found.push({ operation: name, passed: pairs.length > 0 && wrong.length === 0, wrong });
}

// [status, code] of what must be refused; fails when it is not.
async function refused(run) {
  try {
    await run();
  } catch (e) {
    if (!e.statusCode) throw e;
    return [e.statusCode, e.code || (e.details && e.details.errorCode)];
  }
  return "not refused";
}

async function bytes(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function all(iterator) {
  const items = [];
  for await (const i of iterator) items.push(i);
  return items;
}

function finish() {
  fs.writeFileSync(process.env.RESULTS, JSON.stringify(found));
}

module.exports = { operation, refused, bytes, all, finish };
