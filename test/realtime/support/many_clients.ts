/**
 * A process of many small clients, for servers with more connections than one process may have.
 * Runs on: any; runtime API: none
 *
 *     many_clients.ts PORT COUNT BASE64_OF_REQUEST BASE64_OF_MARK BASE64_OF_NEWS
 *
 * Prints "open N" when all have got the mark, "heard N" when all have got the news, and resets them when its stdin ends.
 * A client that loses its connection is told with "lost" on stderr.
 */
import { connect, type Socket } from "node:net";
import process from "node:process";

const [port = "", count = "", ...encoded] = process.argv.slice(2);
const decode = (text = ""): string =>
  new TextDecoder().decode(Uint8Array.from(atob(text), (octet) => octet.charCodeAt(0)));
const [request = "", mark = "", news = ""] = encoded.map(decode);

/** Connections that are being opened at a time: below the backlog of the server. */
const AT_A_TIME = 200;

const wanted = Number(count);
const sockets: Socket[] = [];
const decoder = new TextDecoder("latin1");
let opened = 0;
let heard = 0;

function open(): void {
  if (sockets.length === wanted) return;
  // What was seen is kept only until it has been found: thousands of anything larger would be what is measured.
  let text = "";
  let isOpen = false;
  const socket = connect({ port: Number(port), host: "127.0.0.1" }, () => socket.write(request));
  sockets.push(socket);
  socket.on("data", (bytes: Uint8Array) => {
    text += decoder.decode(bytes);
    if (!isOpen && text.includes(mark)) {
      isOpen = true;
      text = "";
      if (++opened === wanted) console.log(`open ${opened}`);
      open();
    } else if (isOpen && text.includes(news)) {
      text = "";
      if (++heard === wanted) console.log(`heard ${heard}`);
    }
  });
  socket.on("error", () => console.error("lost"));
}

for (let i = 0; i < AT_A_TIME; i++) open();
process.stdin.on("data", () => undefined);
process.stdin.on("end", () => {
  for (const socket of sockets) socket.resetAndDestroy();
  // Behind the resets.
  setTimeout(() => process.exit(0), 200);
});
