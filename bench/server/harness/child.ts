/**
 * Child processes that end, whatever happens: servers and load generators.
 *
 * Each is killed by its own id. Should the harness itself be killed, its end of their stdin closes, on which they
 * leave.
 */
import type { RuntimeCommand } from "../../../test/support/runtimes.ts";

/** Raises the limit of descriptors to what is allowed, then becomes the command: the id stays the same. */
const RAISE_LIMIT = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';

const running = new Set<Child>();

/** Kills all that run; for signals. */
export function killAll(): void {
  for (const child of running) child.kill();
}

/** A process whose output is read line by line. */
export class Child {
  readonly pid: number;
  /** All that it wrote to stderr. */
  stderr = "";
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: string[] = [];
  readonly #readers: Promise<void>[];
  #hasEnded = false;
  #onChange: () => void = () => undefined;

  constructor({ command, args }: RuntimeCommand, env: Record<string, string> = {}) {
    this.#process = new Deno.Command("sh", {
      args: ["-c", RAISE_LIMIT, "sh", command, ...args],
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    this.#writer = this.#process.stdin.getWriter();
    let rest = "";
    this.#readers = [
      this.#read(this.#process.stdout, (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        this.#lines.push(...lines);
        this.#onChange();
      }),
      this.#read(this.#process.stderr, (text) => this.stderr += text),
    ];
    running.add(this);
    void this.#process.status.then(async () => {
      running.delete(this);
      await Promise.all(this.#readers);
      this.#hasEnded = true;
      this.#onChange();
    });
  }

  /**
   * The first line from now on that matches; earlier lines are dropped.
   *
   * @throws Error when the process ends before, or after the time
   */
  async line(pattern: RegExp, patienceMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      const left = deadline - performance.now();
      if (this.#hasEnded) {
        throw new Error(`ended without a line like ${pattern}: ${this.stderr.slice(-2000)}`);
      }
      if (left <= 0) {
        throw new Error(`no line like ${pattern} in ${patienceMs} ms: ${this.stderr.slice(-2000)}`);
      }
      await this.#change(left);
    }
  }

  /** The next line "RESULT {…}", as the load generators print it. */
  async result<T>(patienceMs: number): Promise<T> {
    const match = await this.line(/^RESULT (\{.*\})$/, patienceMs);
    return JSON.parse(match[1] ?? "") as T;
  }

  async write(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }

  /** Kills it; resolves when it is gone. */
  async stop(): Promise<void> {
    this.kill();
    await this.#process.status;
    await Promise.all(this.#readers);
    await this.#writer.close().catch(() => undefined);
  }

  async #read(stream: ReadableStream<Uint8Array>, onText: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) onText(text);
  }

  #change(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#onChange = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
