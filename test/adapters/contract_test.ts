/**
 * The adapter contract on the runtime that runs this file; on `node:net` also with plain 'data' events, which is
 * what is left if a runtime stops letting its socket handles be wrapped.
 */
// test-runs: alone
import { detectAdapter } from "../../src/adapters/detect.ts";
import { netAdapter } from "../../src/adapters/node_net.ts";
import { contract } from "./contract.ts";

const adapter = await detectAdapter();
const isOnNodeNet = adapter.runtime !== "bun";

// Bun allocates a buffer for each read, and gives it away.
contract(adapter.runtime, adapter, { sharesReadBuffer: isOnNodeNet, isDefault: true });

if (isOnNodeNet) {
  const { runtime, stopsBusyThreads } = adapter;
  const plain = netAdapter({ runtime, stopsBusyThreads, sharesReadBuffer: false, readBurstBytes: 1_048_576 });
  contract(`${adapter.runtime} without shared reads`, plain, { sharesReadBuffer: false, isDefault: false });
}
