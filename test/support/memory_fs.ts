/**
 * A file system in memory that knows what is durable: it can lose its power, or fail, before any step.
 * Runs on: any; runtime API: none
 *
 * Content is durable after `datasync` of its file, names after `syncFolder` of their folder. A power cut
 * keeps of the rest what `Loss` says: nothing, everything (that is what SIGKILL does), or some of it, by a
 * seed. An eager one writes content back at once, as a kernel may at any time: then only what cuts a file
 * back needs `datasync`.
 */
import { dirname } from "node:path";
import type { StoreFile, StoreFs } from "../../src/upload/store_fs.ts";

interface Inode {
  content: Uint8Array;
  durable: Uint8Array;
  modifiedMs: number;
}

/** What a power cut does to what was not made durable. */
export type Loss = "all" | "none" | { readonly seed: number };

/** Thrown by every call once the power is gone. */
export class PowerCut extends Error {}

/** A fault that is to come. */
export interface Fault {
  /** The step that it comes at, counted from 1. */
  readonly step: number;
  /** A code such as "ENOSPC" for one failing call; undefined for a power cut. */
  readonly code?: string;
  /** A write does half of its work first. */
  readonly halfway?: boolean;
}

/** A file system in memory. */
export class MemoryFs implements StoreFs {
  readonly #now: () => number;
  readonly #eager: boolean;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #fault: Fault | null = null;
  #dead = false;
  /** The calls so far; their names for messages. */
  readonly steps: string[] = [];

  constructor(now: () => number, eager = false) {
    this.#now = now;
    this.#eager = eager;
  }

  /** Plans a fault. */
  plan(fault: Fault | null): void {
    this.#fault = fault;
  }

  /** The file system after the power came back. */
  afterPowerCut(loss: Loss): MemoryFs {
    const after = new MemoryFs(this.#now);
    let state = typeof loss === "object" ? loss.seed : 0;
    const share = (): number => {
      if (loss === "none") return 1;
      if (loss === "all") return 0;
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const names = new Map(this.#durableNames);
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (share() <= 0.5 && loss !== "none") continue;
      const inode = this.#names.get(path);
      if (inode === undefined) names.delete(path);
      else names.set(path, inode);
    }
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      let copy = copies.get(inode);
      if (copy === undefined) {
        const content = survivors(inode, share());
        copy = { content, durable: content.slice(), modifiedMs: inode.modifiedMs };
        copies.set(inode, copy);
      }
      after.#names.set(path, copy);
      after.#durableNames.set(path, copy);
    }
    return after;
  }

  /** All paths of files. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The content of a file; undefined when there is none. */
  content(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.content;
  }

  open(path: string, flags: "r" | "r+" | "wx"): Promise<StoreFile> {
    return this.#step(`open ${flags}`, () => {
      let inode = this.#names.get(path);
      if (flags === "wx") {
        if (inode !== undefined) throw failure("EEXIST", path);
        inode = { content: new Uint8Array(), durable: new Uint8Array(), modifiedMs: this.#now() };
        this.#names.set(path, inode);
      }
      if (inode === undefined) throw failure("ENOENT", path);
      return this.#file(inode);
    });
  }

  readText(path: string): Promise<string> {
    return this.#step("readText", () => new TextDecoder().decode(this.#inode(path).content));
  }

  modifiedMs(path: string): Promise<number> {
    return this.#step("modifiedMs", () => this.#inode(path).modifiedMs);
  }

  setModifiedMs(path: string, ms: number): Promise<void> {
    return this.#step("setModifiedMs", () => void (this.#inode(path).modifiedMs = ms));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step("rename", () => {
      this.#names.set(to, this.#inode(from));
      this.#names.delete(from);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#step("unlink", () => {
      if (!this.#names.delete(path)) throw failure("ENOENT", path);
    });
  }

  makeFolder(_path: string): Promise<void> {
    return this.#step("makeFolder", () => {});
  }

  removeFolder(path: string): Promise<void> {
    return this.#step("removeFolder", () => {
      for (const name of this.#names.keys()) if (name.startsWith(`${path}/`)) this.#names.delete(name);
    });
  }

  list(path: string): Promise<string[]> {
    return this.#step("list", () => {
      return [...this.#names.keys()].filter((name) => dirname(name) === path).map((name) =>
        name.slice(path.length + 1)
      );
    });
  }

  syncFolder(path: string): Promise<void> {
    return this.#step("syncFolder", () => {
      for (const name of this.#durableNames.keys()) {
        if (dirname(name) === path && !this.#names.has(name)) this.#durableNames.delete(name);
      }
      for (const [name, inode] of this.#names) {
        if (dirname(name) === path) this.#durableNames.set(name, inode);
      }
    });
  }

  copy(from: string, to: string): Promise<void> {
    return this.#step("copy", () => {
      const content = this.#inode(from).content.slice();
      this.#names.set(to, { content, durable: new Uint8Array(), modifiedMs: this.#now() });
    });
  }

  #file(inode: Inode): StoreFile {
    return {
      write: (chunks, position) => {
        const bytes = Buffer.concat(chunks);
        const put = (length: number) => {
          const content = new Uint8Array(Math.max(inode.content.length, position + length));
          content.set(inode.content);
          content.set(bytes.subarray(0, length), position);
          inode.content = content;
          if (this.#eager) inode.durable = content.slice();
        };
        return this.#step("write", () => put(bytes.length), () => put(bytes.length >> 1));
      },
      read: (buffer, position) =>
        this.#step("read", () => {
          const bytes = inode.content.subarray(position, position + buffer.length);
          buffer.set(bytes);
          return bytes.length;
        }),
      datasync: () => this.#step("datasync", () => void (inode.durable = inode.content.slice())),
      truncate: (size) => this.#step("truncate", () => void (inode.content = inode.content.slice(0, size))),
      size: () => this.#step("size", () => inode.content.length),
      close: () => Promise.resolve(),
    };
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw failure("ENOENT", path);
    return inode;
  }

  async #step<T>(name: string, run: () => T, half?: () => void): Promise<T> {
    await Promise.resolve();
    if (this.#dead) throw new PowerCut();
    this.steps.push(name);
    if (this.#fault?.step === this.steps.length) {
      const { code, halfway } = this.#fault;
      if (halfway === true) half?.();
      if (code !== undefined) throw failure(code, name);
      this.#dead = true;
      throw new PowerCut();
    }
    return run();
  }
}

/** What remains of a file: all that was durable, and a part of what was added or cut off since. */
function survivors({ content, durable }: Inode, share: number): Uint8Array {
  if (share >= 1) return content.slice();
  if (share <= 0) return durable.slice();
  const length = Math.round(durable.length + (content.length - durable.length) * share);
  return content.length >= durable.length ? content.slice(0, length) : durable.slice(0, length);
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
