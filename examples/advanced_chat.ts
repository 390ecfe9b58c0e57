/**
 * A chat with rooms, names, and a list of who is there, kept by a heartbeat: the page at /, rooms at /rooms/NAME.
 *
 *     bun examples/advanced_chat.ts
 *
 * No thread holds any of it. Names lie in the data of the connections, the last messages in the history of a topic.
 */
import { fileURLToPath } from "node:url";
import { fileResponse, Router, serve, type ServerWebSocket } from "../mod.ts";
import { options } from "./support/options.ts";

type Socket = ServerWebSocket<{ readonly name: string; readonly room: string }>;

const HEARTBEAT_MS = 5_000;
const page = fileURLToPath(new URL("pages/advanced_chat.html", import.meta.url));

/** Tells a room what somebody does ("here" at every heartbeat, "left") or says. */
const tell = ({ id, data }: Socket, what: "here" | "left" | "said", text?: string) =>
  server.publish(
    `${what === "said" ? "talk" : "presence"} ${data.room}`,
    JSON.stringify({ what, id, name: data.name, text, time: Date.now(), heartbeatMs: HEARTBEAT_MS }),
  );

const router = new Router();
router.get("/", (request) => fileResponse(request, page));
router.websocket("/rooms/:room", {
  open(socket: Socket) {
    // An id that no topic knows asks for all that it keeps.
    for (const topic of ["presence", "talk"]) {
      socket.subscribe(`${topic} ${socket.data.room}`, { lastId: "" });
    }
    tell(socket, "here");
  },
  message: (socket: Socket, text) => void (typeof text === "string" && tell(socket, "said", text)),
  // The server pings who is silent, browsers answer by themselves; who does not is cut, and has left.
  pong: (socket: Socket) => tell(socket, "here"),
  close: (socket: Socket) => tell(socket, "left"),
}, (request) => {
  const name = request.query.get("name")?.trim() ?? "";
  if (name === "" || name.length > 30) return new Response("Say who you are: ?name=…\n", { status: 400 });
  const data = { name, room: request.params["room"] ?? "" };
  return { data, pingIntervalMs: HEARTBEAT_MS, maxMessageBytes: 4_000 };
});

export default router;
const server = await serve(import.meta.url, { ...options, topicHistory: 50 });
