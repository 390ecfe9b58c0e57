/**
 * A process that tells the upload story over a real folder and kills itself before its nth file call.
 * Runs on: any; runtime API: none
 *
 * Arguments: folder, n (0 = never). Writes each promise as a line of JSON, and the number of calls at the
 * end.
 */
import * as nodeFs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { FileLeases } from "../../src/upload/file_lease.ts";
import { FileStore } from "../../src/upload/file_store.ts";
import type { LeaseFs } from "../../src/upload/lease_record.ts";
import { nodeStoreFs, type StoreFile, type StoreFs } from "../../src/upload/store_fs.ts";
import { tus } from "../../src/upload/tus.ts";
import { tellUploadStory } from "./upload_story.ts";

const [folder = "", last = "0"] = process.argv.slice(2);
let calls = 0;

function step(): void {
  if (++calls === Number(last)) process.kill(process.pid, "SIGKILL");
}

/** The same object, with a step before each call of a method. */
function counted<T extends object>(target: T): T {
  return new Proxy(target, {
    get: (object, name) => {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== "function") return member;
      return (...values: unknown[]) => {
        step();
        return member.apply(object, values);
      };
    },
  });
}

const storeFs: StoreFs = counted({
  ...nodeStoreFs,
  open: async (path, flags): Promise<StoreFile> => {
    const file = await nodeStoreFs.open(path, flags);
    return counted({
      write: async (chunks: readonly Uint8Array[], position: number): Promise<void> => {
        // In two halves, so that a kill can come between them.
        const bytes = Buffer.concat(chunks);
        const middle = bytes.length >> 1;
        await file.write([bytes.subarray(0, middle)], position);
        step();
        await file.write([bytes.subarray(middle)], position + middle);
      },
      read: (buffer: Uint8Array, position: number) => file.read(buffer, position),
      datasync: () => file.datasync(),
      truncate: (size: number) => file.truncate(size),
      size: () => file.size(),
      close: () => file.close(),
    });
  },
});
const leaseFs: LeaseFs = counted({
  openSync: nodeFs.openSync,
  closeSync: nodeFs.closeSync,
  writeSync: nodeFs.writeSync,
  readSync: nodeFs.readSync,
  readdirSync: nodeFs.readdirSync,
  mkdirSync: nodeFs.mkdirSync,
  unlinkSync: nodeFs.unlinkSync,
  rmdirSync: nodeFs.rmdirSync,
  fstatSync: nodeFs.fstatSync,
} as LeaseFs);

const locks = new FileLeases(join(folder, ".cartouche"), { fs: leaseFs });
const app = tus({
  store: new FileStore(folder, { fs: storeFs, locks }),
  sweepIntervalMs: 0,
  onComplete: () => {},
});
await tellUploadStory(app.fetch, (promise) => void nodeFs.writeSync(1, `${JSON.stringify(promise)}\n`));
nodeFs.writeSync(1, `${JSON.stringify({ calls })}\n`);
