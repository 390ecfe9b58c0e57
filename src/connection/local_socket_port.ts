/**
 * The same as a worker's port to sockets, for code on the I/O thread itself: what it says is done at once.
 * Runs on: I/O thread; runtime API: none
 */
import type { SocketPort } from "../messages/socket_port.ts";
import type { SocketTable } from "./socket_table.ts";
import type { Subscriber, Topics } from "./topics.ts";

/** What the port speaks to. */
export interface LocalSocketHost {
  readonly sockets: SocketTable;
  readonly topics: Topics;
}

/** The I/O thread's own port. */
export function localSocketPort(host: LocalSocketHost): SocketPort {
  const { sockets, topics } = host;
  return {
    kindOf: (index, generation) => sockets.kindOf(index, generation),
    buffered: (index, generation) => sockets.buffered(index, generation),
    send(index, generation, bytes) {
      if (sockets.kindOf(index, generation) === 0) return "closed";
      // Without waiting: this is the thread that would make the room.
      const socket = sockets.find(index, generation);
      socket?.send(bytes, 0, bytes.length, 0);
      if (socket === null || sockets.kindOf(index, generation) === 0) return "closed";
      if (!sockets.isPressed(index)) return "queued";
      socket.wantDrain();
      return "backpressure";
    },
    close: (index, generation, code, reason) => sockets.find(index, generation)?.close(code, reason),
    terminate: (index, generation) => sockets.find(index, generation)?.terminate(),
    subscribe: (index, generation, topics, lastId) =>
      sockets.find(index, generation)?.subscribe(topics, lastId),
    unsubscribe: (index, generation, topic) => sockets.find(index, generation)?.unsubscribe(topic),
    publish(message, exceptIndex, exceptGeneration) {
      const except = exceptGeneration === 0 ? null : sockets.find(exceptIndex, exceptGeneration);
      // Kept for a while, and the caller's array is the caller's.
      topics.publish(
        { ...message, payload: message.payload.slice() },
        except as (Subscriber & typeof except) | null,
      );
    },
  };
}
