/**
 * Makes the path of a unix socket free for a new listener, without taking it from a living one.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * The file of a unix socket outlives a process that was killed, and then binding fails although nobody listens.
 * Whether somebody does is asked by connecting. Between the question and the binding another process may come;
 * the loser then gets its error from binding, or owns a file without a name: start one server a path.
 */
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

/**
 * Removes a socket file to which nobody listens any more.
 * @throws Error when a listener answers there or the path holds something that is no socket
 */
export async function removeStaleSocket(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await lstat(path)).isSocket();
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return;
    throw error;
  }
  if (!isSocket) throw new Error(`"${path}" exists and is no socket`);
  if (await answers(path)) throw new Error(`another process listens on "${path}"`);
  await unlink(path).catch(() => {});
}

/** Whether a listener accepts. A full accept queue (EAGAIN) is a listener, too: only a refusal is proof of none. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: { code?: unknown }) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
