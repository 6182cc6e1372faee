// What the JavaScript SDK for Blob does. Environment: ACCOUNT_URL, SIGN_IN, RESULTS, CONTAINER, PARTS.
const { randomBytes } = require("crypto");
const { BlobServiceClient, StorageSharedKeyCredential } = require("@azure/storage-blob");
const { operation, refused, bytes, all, finish } = require("./operations.cjs");

const { credential, query } = require("./sign_in.cjs")(StorageSharedKeyCredential);
const service = new BlobServiceClient(process.env.ACCOUNT_URL + query, credential);
const name = process.env.CONTAINER;
const box = service.getContainerClient(name);
const MIB = 1 << 20;
const text = async (blob) => (await blob.downloadToBuffer()).toString();
const blobOf = (n) => box.getBlockBlobClient(n);

async function containers() {
  await operation("create a container", async () => {
    await box.create({ metadata: { made: "here" } });
    return [[await box.exists(), true], [(await box.getProperties()).metadata, { made: "here" }]];
  });
  await operation("create a container twice", async () => [[await refused(() => box.create()), [409, "ContainerAlreadyExists"]],
    [(await box.createIfNotExists()).succeeded, false]]);
  await operation("set container metadata", async () => {
    await box.setMetadata({ a: "1" });
    return [[(await box.getProperties()).metadata, { a: "1" }]];
  });
  await operation("list containers", async () => [[(await all(service.listContainers({ prefix: name, includeMetadata: true }))).map((c) => [c.name, c.metadata]), [[name, { a: "1" }]]]]);
  await operation("account information", async () => [[typeof (await service.getAccountInfo()).skuName, "string"]]);
}

async function blobs() {
  const data = randomBytes(5 * MIB + 7);
  const blob = blobOf("put/ü leer+%.bin");
  await operation("Put Blob, Get Blob", async () => {
    await blob.upload("hello", 5, { metadata: { m: "1" }, blobHTTPHeaders: { blobContentType: "text/x" } });
    const p = await blob.getProperties();
    return [[await text(blob), "hello"], [[p.metadata, p.contentType, p.blobType], [{ m: "1" }, "text/x", "BlockBlob"]]];
  });
  await operation("upload in blocks, download in ranges", async () => {
    await blob.uploadData(data, { blockSize: MIB, maxSingleShotSize: MIB, concurrency: 3 });
    return [[Buffer.compare(await blob.downloadToBuffer(0, undefined, { blockSize: MIB, concurrency: 3 }), data), 0]];
  });
  await operation("download a stream", async () => [[Buffer.compare(await bytes((await blob.download()).readableStreamBody), data), 0]]);
  await operation("download a range", async () => [[Buffer.compare(await blob.downloadToBuffer(MIB - 3, 10), data.subarray(MIB - 3, MIB + 7)), 0]]);
  await operation("upload a stream", async () => {
    await blob.uploadStream(require("stream").Readable.from([Buffer.from("a"), Buffer.from("b")]), MIB, 2);
    return [[await text(blob), "ab"]];
  });
  await operation("blocks and their list", async () => {
    const b = blobOf("blocks");
    const id = (i) => Buffer.from("id" + i).toString("base64");
    for (const i of [0, 1, 2]) await b.stageBlock(id(i), "part" + i, 5);
    const before = await b.getBlockList("all");
    await b.commitBlockList([id(2), id(0)]);
    const after = await b.getBlockList("all");
    return [[before.uncommittedBlocks.length, 3], [await text(b), "part2part0"], [after.committedBlocks.map((x) => x.name), [id(2), id(0)]]];
  });
  await operation("set headers and metadata", async () => {
    await blob.setHTTPHeaders({ blobContentType: "application/json" });
    await blob.setMetadata({ x: "y" });
    const p = await blob.getProperties();
    return [[[p.contentType, p.metadata], ["application/json", { x: "y" }]]];
  });
  await operation("conditions", async () => {
    const etag = (await blob.getProperties()).etag;
    return [[(await refused(() => blob.setMetadata({}, { conditions: { ifMatch: '"0xDEAD"' } })))[0], 412],
      [await refused(() => blob.upload("x", 1, { conditions: { ifNoneMatch: "*" } })), [409, "BlobAlreadyExists"]],
      [(await bytes((await blob.download(0, undefined, { conditions: { ifMatch: etag } })).readableStreamBody)).toString(), "ab"]];
  });
  await operation("delete", async () => {
    await blob.delete();
    return [[await blob.exists(), false], [(await blob.deleteIfExists()).succeeded, false], [await refused(() => blob.getProperties()).then((r) => r[0]), 404]];
  });
}

async function listing() {
  const names = ["l/a-b", "l/a/x", "l/a0", "l/ü"];
  for (const n of names) await blobOf(n).upload("1", 1);
  const ours = (items) => items.map((b) => b.name).filter((n) => names.includes(n));
  await operation("list in the order of bytes", async () => [[ours(await all(box.listBlobsFlat({ prefix: "l/" }))), names]]);
  await operation("list in pages", async () => [[ours((await all(box.listBlobsFlat({ prefix: "l/" }).byPage({ maxPageSize: 2 }))).flatMap((p) => p.segment.blobItems)), names]]);
  await operation("list with a delimiter", async () => {
    const items = await all(box.listBlobsByHierarchy("/", { prefix: "l/" }));
    return [[items.filter((i) => i.kind === "prefix").map((i) => i.name), ["l/a/"]], [items.filter((i) => i.kind === "blob").map((i) => i.name).filter((n) => names.includes(n)), ["l/a-b", "l/a0", "l/ü"]]];
  });
}

async function appends() {
  const b = box.getAppendBlobClient("append");
  await operation("append blob", async () => {
    await b.create();
    const first = await b.appendBlock("one", 3);
    const second = await b.appendBlock("two", 3);
    return [[[first.blobAppendOffset, second.blobAppendOffset], ["0", "3"]], [await text(b), "onetwo"]];
  });
  await operation("append at a condition", async () => [[(await refused(() => b.appendBlock("x", 1, { conditions: { appendPosition: 1 } })))[0], 412]]);
}

async function copies() {
  await operation("copy within the account", async () => {
    await blobOf("source").upload("copied", 6, { metadata: { m: "1" } });
    const poller = await blobOf("target").beginCopyFromURL(blobOf("source").url);
    const r = await poller.pollUntilDone();
    return [[r.copyStatus, "success"], [await text(blobOf("target")), "copied"], [(await blobOf("target").getProperties()).metadata, { m: "1" }]];
  });
}

async function snapshots() {
  await operation("snapshot", async () => {
    const b = blobOf("snap");
    await b.upload("first", 5);
    const s = await b.createSnapshot();
    await b.upload("second", 6);
    return [[await text(b.withSnapshot(s.snapshot)), "first"], [await text(b), "second"], [(await refused(() => b.delete()))[0], 409],
      [(await b.delete({ deleteSnapshots: "include" })).errorCode, undefined]];
  });
}

async function leases() {
  const b = blobOf("lease");
  await operation("lease: acquire, write, renew, release", async () => {
    await b.upload("1", 1);
    const l = b.getBlobLeaseClient();
    await l.acquireLease(15);
    const without = await refused(() => b.upload("2", 1));
    await b.upload("2", 1, { conditions: { leaseId: l.leaseId } });
    await l.renewLease();
    await l.releaseLease();
    return [[without, [412, "LeaseIdMissing"]], [await text(b), "2"], [(await b.getProperties()).leaseState, "available"]];
  });
}

async function batches() {
  await operation("batch of deletes", async () => {
    for (const i of [1, 2, 3]) await blobOf("batch/" + i).upload("1", 1);
    const r = await service.getBlobBatchClient().deleteBlobs([1, 2, 3].map((i) => blobOf("batch/" + i).url), credential);
    return [[[r.subResponsesSucceededCount, r.subResponsesFailedCount], [3, 0]], [await blobOf("batch/2").exists(), false]];
  });
}

async function main() {
  const parts = { containers, blobs, listing, appends, copies, snapshots, leases, batches };
  for (const part of process.env.PARTS.split(",")) await parts[part]();
  await operation("delete a container", async () => {
    await box.delete();
    return [[await box.exists(), false]];
  });
  finish();
}

main().catch((e) => { console.error(e); process.exit(1); });
