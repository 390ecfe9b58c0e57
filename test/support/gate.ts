/**
 * Gates: a handler, in whatever thread or process, tells that it has come to a point, and waits there.
 * Runs on: any; runtime API: none
 *
 * A gate is a path: the handler writes PATH.in and goes on when PATH.go exists. Files, because the threads of a
 * server share no memory with a test. `fixtures/gate_side.ts` is the handler's side.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

/** A folder of gates, for one test. */
export class Gates {
  readonly #folder = mkdtempSync(join(tmpdir(), "cartouche-gates-"));

  /** The query parameter that names a gate to a fixture. */
  query(name: string): string {
    return `gate=${encodeURIComponent(join(this.#folder, name))}`;
  }

  /** Resolves when a handler has come to the gate. */
  arrived(name: string): Promise<void> {
    return until(`a handler comes to the gate "${name}"`, () => this.hasArrived(name));
  }

  hasArrived(name: string): boolean {
    return existsSync(join(this.#folder, `${name}.in`));
  }

  /** What the handler left at the gate. */
  note(name: string): string {
    return readFileSync(join(this.#folder, `${name}.in`), "utf8");
  }

  /** Lets whoever waits there go on. */
  open(name: string): void {
    writeFileSync(join(this.#folder, `${name}.go`), "");
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Runs `body` with gates of its own. */
export async function withGates(body: (gates: Gates) => Promise<void>): Promise<void> {
  const gates = new Gates();
  try {
    await body(gates);
  } finally {
    gates.remove();
  }
}
