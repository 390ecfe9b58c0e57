/**
 * Starts a server and prints what its kernel says about its sockets, as JSON: `{"backlog":…,"noDelay":[…]}`.
 * Runs on: Deno, Linux; runtime API: Deno.dlopen, Deno.Command, Deno.connect
 *
 *     deno run -A test/support/socket_probe.ts COMMAND ARGUMENT...
 *
 * No runtime lets its sockets be asked for their options. So each descriptor is duplicated into this process
 * (pidfd_getfd, Linux 5.6) and asked here; the server is a child because kernels may allow that for children only.
 */
import { Buffer } from "node:buffer";

/** The numbers of system calls that are the same on all processors. */
const PIDFD_OPEN = 434n;
const PIDFD_GETFD = 438n;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_INFO = 11;
/** `tcpi_sacked` in `struct tcp_info`: of a socket that listens, the backlog that is in force. */
const BACKLOG_AT = 28;
const LISTENING = "0A";
const ESTABLISHED = "01";

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
});

function tcpOption(fd: number, option: number, bytes: number): DataView {
  const value = new Uint8Array(bytes);
  const length = new Uint32Array([bytes]);
  if (libc.symbols.getsockopt(fd, IPPROTO_TCP, option, value, Buffer.from(length.buffer)) !== 0) {
    throw new Error(`getsockopt ${option} failed`);
  }
  return new DataView(value.buffer);
}

/** The inodes of a port's sockets that are in this state, from the kernel's table. */
function inodesOf(port: number, state: string): Set<string> {
  const local = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n").map((row) =>
    row.trim().split(/\s+/)
  );
  const ours = rows.filter((row) => row[1]?.endsWith(`:${local}`) === true && row[3] === state);
  return new Set(ours.map((row) => row[9] ?? ""));
}

/** Duplicates of a process's descriptors of these sockets. */
function descriptorsOf(pid: number, inodes: ReadonlySet<string>): number[] {
  const folder = `/proc/${pid}/fd`;
  const pidfd = libc.symbols.syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n);
  const found: number[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    let inode: string | undefined;
    try {
      inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`${folder}/${name}`))?.[1];
    } catch (error) {
      // Closed since the folder was read.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (inode === undefined || !inodes.has(inode)) continue;
    const fd = Number(libc.symbols.syscall(PIDFD_GETFD, pidfd, BigInt(name), 0n));
    if (fd < 0) throw new Error("pidfd_getfd failed");
    found.push(fd);
  }
  return found;
}

const [command = "", ...args] = Deno.args;
const server = new Deno.Command(command, { args, env: { PORT: "0" }, stdout: "piped" }).spawn();
try {
  let said = "";
  for await (const text of server.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (/^Listening on .*\n/m.test(said)) break;
  }
  const port = Number(/:(\d+)\n/.exec(said)?.[1]);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  // An answer: the connection was accepted, and its options are set.
  await client.read(new Uint8Array(1024));
  const listeners = descriptorsOf(server.pid, inodesOf(port, LISTENING));
  const accepted = descriptorsOf(server.pid, inodesOf(port, ESTABLISHED));
  console.log(JSON.stringify({
    backlog: listeners.map((fd) => tcpOption(fd, TCP_INFO, 104).getUint32(BACKLOG_AT, true)),
    noDelay: accepted.map((fd) => tcpOption(fd, TCP_NODELAY, 4).getUint32(0, true)),
  }));
  client.close();
} finally {
  server.kill("SIGKILL");
  await server.status;
}
