// What the JavaScript SDK for the Data Lake does. Environment: ACCOUNT_URL, SIGN_IN, RESULTS.
const { randomBytes } = require("crypto");
const { DataLakeServiceClient, StorageSharedKeyCredential } = require("@azure/storage-file-datalake");
const { operation, refused, bytes, all, finish } = require("./operations.cjs");

const { credential, query } = require("./sign_in.cjs")(StorageSharedKeyCredential);
const service = new DataLakeServiceClient(process.env.ACCOUNT_URL + query, credential);
const name = process.env.CONTAINER || "jsdfs";
const fs = service.getFileSystemClient(name);
const MIB = 1 << 20;
const text = async (file) => (await file.readToBuffer()).toString();

async function write(path, data) {
  const file = fs.getFileClient(path);
  await file.upload(Buffer.from(data));
  return file;
}

async function fileSystems() {
  await operation("create a file system", async () => [[(await fs.create()).errorCode, undefined], [await fs.exists(), true]]);
  await operation("create a file system twice", async () => [[(await refused(() => fs.create()))[0], 409]]);
  await operation("list file systems by prefix", async () => [[(await all(service.listFileSystems({ prefix: name }))).map((f) => f.name), [name]]]);
  await operation("file system properties", async () => [[(await fs.getProperties()).lastModified instanceof Date, true]]);
}

async function files() {
  const data = randomBytes(3 * MIB + 11);
  const file = fs.getFileClient("files/mit leer/ü+%.bin");
  await operation("upload in chunks", async () => {
    await file.upload(data, { chunkSize: MIB, maxConcurrency: 4 });
    return [[(await file.getProperties()).contentLength, data.length]];
  });
  await operation("read into a buffer", async () => [[Buffer.compare(await file.readToBuffer(), data), 0]]);
  await operation("read a stream", async () => [[Buffer.compare(await bytes((await file.read()).readableStreamBody), data), 0]]);
  await operation("read a range", async () => [[Buffer.compare(await bytes((await file.read(65000, 2000)).readableStreamBody), data.subarray(65000, 67000)), 0]]);
  await operation("create, append out of order, flush", async () => {
    const log = fs.getFileClient("files/log");
    await log.create();
    await log.append("world", 6, 5);
    await log.append("hello ", 0, 6);
    await log.flush(11);
    return [[await text(log), "hello world"]];
  });
  await operation("flush with a gap", async () => [[(await refused(() => fs.getFileClient("files/log").flush(100)))[0], 400]]);
  await operation("create if nothing is there", async () => [[await fs.getFileClient("files/log").createIfNotExists().then((r) => r.succeeded), false],
    [await fs.getFileClient("files/new").createIfNotExists().then((r) => r.succeeded), true]]);
  await operation("exists", async () => [[await file.exists(), true], [await fs.getFileClient("none").exists(), false]]);
  await operation("delete a file", async () => {
    await file.delete();
    return [[await file.exists(), false], [(await refused(() => file.delete()))[0], 404]];
  });
  await operation("delete if it is there", async () => [[(await file.deleteIfExists()).succeeded, false]]);
}

async function properties() {
  const file = await write("properties/a", "x");
  await operation("set metadata", async () => {
    await file.setMetadata({ one: "1", two: "zwei" });
    return [[(await file.getProperties()).metadata, { one: "1", two: "zwei" }]];
  });
  await operation("permissions", async () => {
    await file.setPermissions({ owner: { read: true, write: true, execute: false }, group: { read: true, write: false, execute: false },
      other: { read: false, write: false, execute: false }, stickyBit: false, extendedAcls: false });
    return [[(await file.getAccessControl()).permissions.group, { read: true, write: false, execute: false }]];
  });
  await operation("access control list", async () => {
    const acl = (await file.getAccessControl()).acl;
    const user = { accessControlType: "user", entityId: "11111111-2222-3333-4444-555555555555", defaultScope: false,
      permissions: { read: true, write: false, execute: true } };
    await file.setAccessControl([...acl.filter((a) => a.accessControlType !== "mask"), user]);
    return [[(await file.getAccessControl()).acl.filter((a) => a.entityId === user.entityId).length, 1]];
  });
  await operation("If-Match of another ETag", async () => [[(await refused(() => file.delete(false, { conditions: { ifMatch: '"0xDEAD"' } })))[0], 412]]);
  await operation("read If-Match", async () => {
    const etag = (await file.getProperties()).etag;
    return [[(await bytes((await file.read(0, undefined, { conditions: { ifMatch: etag } })).readableStreamBody)).toString(), "x"]];
  });
}

async function directories() {
  const d = fs.getDirectoryClient("dirs/a");
  await operation("create a directory", async () => {
    await d.create({ metadata: { m: "1" } });
    return [[(await d.getProperties()).metadata.m, "1"], [await d.exists(), true]];
  });
  for (const n of ["1", "2", "sub/3"]) await write("dirs/a/" + n, n);
  await operation("list recursively", async () => [[(await all(fs.listPaths({ path: "dirs", recursive: true }))).map((p) => p.name),
    ["dirs/a", "dirs/a/1", "dirs/a/2", "dirs/a/sub", "dirs/a/sub/3"]]]);
  await operation("list one level", async () => [[(await all(fs.listPaths({ path: "dirs/a" }))).map((p) => [p.name, Boolean(p.isDirectory), p.contentLength]),
    [["dirs/a/1", false, 1], ["dirs/a/2", false, 1], ["dirs/a/sub", true, 0]]]]);
  await operation("list in pages", async () => [[(await all(fs.listPaths({ path: "dirs/a" }).byPage({ maxPageSize: 2 }))).map((p) => p.pathItems.length), [2, 1]]]);
  await operation("rename a file", async () => {
    await fs.getFileClient("dirs/a/1").move("dirs/b 1");
    return [[await text(fs.getFileClient("dirs/b 1")), "1"], [await fs.getFileClient("dirs/a/1").exists(), false]];
  });
  await operation("rename a directory", async () => {
    await d.move("dirs/z");
    return [[await text(fs.getFileClient("dirs/z/sub/3")), "sub/3"], [await d.exists(), false]];
  });
  await operation("delete a directory with all below", async () => {
    await fs.getDirectoryClient("dirs").delete(true);
    return [[await fs.getFileClient("dirs/z/2").exists(), false]];
  });
}

async function leases() {
  const file = await write("lease/a", "1");
  const lease = file.getDataLakeLeaseClient();
  await operation("acquire a lease", async () => {
    await lease.acquireLease(15);
    return [[(await file.getProperties()).leaseState, "leased"], [(await refused(() => file.setMetadata({ a: "b" })))[0], 412]];
  });
  await operation("write with the lease", async () => {
    await file.setMetadata({ a: "b" }, { conditions: { leaseId: lease.leaseId } });
    return [[(await file.getProperties()).metadata, { a: "b" }]];
  });
  await operation("release", async () => {
    await lease.releaseLease();
    return [[(await file.getProperties()).leaseState, "available"]];
  });
}

async function recursiveAcl() {
  for (let i = 0; i < 5; i++) await write(`aclr/d${i % 2}/${i}`, "x");
  const d = fs.getDirectoryClient("aclr");
  const entry = { accessControlType: "user", entityId: "11111111-2222-3333-4444-555555555555", defaultScope: false, permissions: { read: true, write: false, execute: false } };
  const has = async () => (await fs.getFileClient("aclr/d0/4").getAccessControl()).acl.some((a) => a.entityId === entry.entityId);
  await operation("update ACL recursively", async () => {
    const r = await d.updateAccessControlRecursive([entry], { batchSize: 3 });
    return [[[r.counters.changedDirectoriesCount, r.counters.changedFilesCount, r.counters.failedChangesCount], [3, 5, 0]], [await has(), true]];
  });
  await operation("remove ACL recursively", async () => {
    await d.removeAccessControlRecursive([{ accessControlType: "user", entityId: entry.entityId, defaultScope: false }]);
    return [[await has(), false]];
  });
}

async function main() {
  const parts = { fileSystems, files, properties, directories, leases, recursiveAcl };
  for (const part of process.env.PARTS.split(",")) await parts[part]();
  await operation("delete a file system", async () => {
    await fs.delete();
    return [[await fs.exists(), false]];
  });
  finish();
}

main().catch((e) => { console.error(e); process.exit(1); });
