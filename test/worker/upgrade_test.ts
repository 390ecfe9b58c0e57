/**
 * Tests of what an upgrade tells the I/O thread when the handler leaves it to the defaults that docs/websocket.md and
 * docs/event_streams.md name.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeUpgrade, type SocketSettings } from "../../src/messages/socket_message.ts";
import type { Call } from "../../src/worker/call.ts";
import type { ServerRequest } from "../../src/worker/request.ts";
import { openEventStream, type UpgradeHost, upgradeWebSocket } from "../../src/worker/upgrade.ts";

/** The settings of an upgrade without options. */
function defaultsOf(
  upgrade: (host: UpgradeHost, request: ServerRequest, call: Call) => unknown,
): SocketSettings {
  let settings: SocketSettings | null = null;
  const host = {
    port: {},
    handlersOf: () => undefined,
    requestSocket(_call: Call, message: Uint8Array): null {
      settings = decodeUpgrade(message).socket;
      return null;
    },
    date: () => "",
    refuse: () => assert.fail("it was refused"),
  };
  const rawHeaders = [
    ...["Host", "test", "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13"],
    ...["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ];
  const request = { rawHeaders, method: "GET", httpVersion: "1.1", header: () => null };
  upgrade(host as unknown as UpgradeHost, request as unknown as ServerRequest, {} as Call);
  assert.ok(settings);
  return settings;
}

/** The default of an option in the table of a page. */
function documented(page: string, option: string): number {
  const text = readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), "utf8");
  const value = new RegExp(`^\\| \`${option}\` \\| ([0-9,]+) \\|`, "m").exec(text)?.[1];
  assert.ok(value, `${page}.md has no default of ${option}`);
  return Number(value.replaceAll(",", ""));
}

test("An event stream without options has a comment after 15 s of silence, and room for 1 MiB", () => {
  const settings = defaultsOf((host, request, call) => openEventStream(host, request, call, {}));
  assert.equal(settings.pingIntervalMs, 15_000);
  assert.equal(settings.maxBufferedBytes, 1_048_576);
  assert.equal(documented("event_streams", "commentIntervalMs"), settings.pingIntervalMs);
  assert.equal(documented("event_streams", "maxBufferedBytes"), settings.maxBufferedBytes);
});

test("A WebSocket without options has the documented limits and times", () => {
  const settings = defaultsOf((host, request, call) => upgradeWebSocket(host, request, call, {}, ""));
  for (const name of ["maxMessageBytes", "maxBufferedBytes", "pingIntervalMs", "idleTimeoutMs"] as const) {
    assert.equal(settings[name], documented("websocket", name), name);
  }
  assert.deepEqual([settings.waitsForSlow, settings.isPinned], [false, false]);
});
