/**
 * The page of examples/uploads.ts in a real browser: an upload paused and resumed, one cut off, files dropped, a form.
 * Runs on: any; runtime API: none
 *
 * Chromium is that of the system (CARTOUCHE_CHROMIUM names another); without one the tests are skipped. It talks to
 * the example through a proxy, which holds an upload in the middle for as long as a test looks at it.
 */
// test-runs-on: node — the browser is driven by playwright-core, and what it meets is the same server on each runtime
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { chromium, type Locator, type Page } from "playwright-core";
import { type CuttingProxy, withProxy } from "../support/cutting_proxy.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";
import { patternBytes } from "../support/upload_bench.ts";

const EXECUTABLE = process.env["CARTOUCHE_CHROMIUM"] ?? "/usr/bin/chromium";
const skip = !existsSync(EXECUTABLE);
/** Where pictures of the page go; none are made without it. */
const PICTURES = process.env["CARTOUCHE_PICTURES"];
const PATIENCE_MS = 20_000;
const MIB = 1024 * 1024;
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

interface Stage {
  readonly page: Page;
  readonly app: ChildApp;
  readonly proxy: CuttingProxy;
  /** The folder of the uploads. */
  readonly folder: string;
  /** Makes a file on the user's disk; returns its path. */
  file(name: string, content: Uint8Array): string;
}

async function withPage(run: (stage: Stage) => Promise<void>): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const [uploads, disk] = [join(folder, "uploads"), join(folder, "disk")];
    mkdirSync(disk);
    const file = (name: string, content: Uint8Array): string => {
      writeFileSync(join(disk, name), content);
      return join(disk, name);
    };
    await withExample("uploads", { UPLOAD_DIR: uploads }, async (app) => {
      await withProxy(app.port, async (proxy) => {
        const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
        try {
          const context = await browser.newContext({ viewport: { width: 960, height: 900 } });
          const page = await context.newPage();
          page.setDefaultTimeout(PATIENCE_MS);
          const faults: string[] = [];
          page.on("pageerror", (error) => faults.push(String(error)));
          // Nothing but the example's own server is asked for anything.
          page.on("request", (request) => {
            if (!request.url().startsWith(proxy.origin)) faults.push(`asked for ${request.url()}`);
          });
          await page.goto(`${proxy.origin}/`);
          await run({ page, app, proxy, folder: uploads, file });
          assert.deepEqual(faults, []);
        } finally {
          await browser.close();
        }
      });
    });
  });
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}.png` });
  }
}

/** The finished files of the folder that have these bytes. */
function filesWith(folder: string, content: Uint8Array): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .filter(({ name }) => Buffer.compare(readFileSync(join(folder, name)), content) === 0)
    .length;
}

/** Lets the proxy stop the client once it has sent so much more. */
function holdAfter(proxy: CuttingProxy, octets: number): Promise<void> {
  const limit = proxy.sent + octets;
  return new Promise((resolve) => {
    proxy.onSent = (total) => {
      if (total < limit) return;
      proxy.onSent = () => {};
      proxy.hold();
      resolve();
    };
  });
}

function running(page: Page, name: string): Locator {
  return page.locator("#running li", { hasText: name });
}

function finished(page: Page, name: string): Locator {
  return page.locator("#finished li", { hasText: name });
}

async function progress(item: Locator): Promise<number> {
  return Number(await item.locator("progress").getAttribute("value"));
}

test(
  "The page of uploads.ts pauses an upload and goes on where it stopped",
  { skip },
  () =>
    withPage(async ({ page, proxy, folder, file }) => {
      const content = patternBytes(40 * MIB, 7);
      const held = holdAfter(proxy, 18 * MIB);
      await page.setInputFiles("#choose", file("holiday film.mp4", content));
      const item = running(page, "holiday film.mp4");
      await held;
      await until("the bar moves", async () => await progress(item) > 0.1);
      await picture(page, "uploads-running");
      await item.getByRole("button", { name: "Pause" }).click();
      await item.getByText("paused").waitFor();
      const before = await progress(item);
      assert.ok(before < 1, `${before}`);
      proxy.release();
      await item.getByRole("button", { name: "Resume" }).click();
      await item.getByText("done").waitFor();
      assert.equal(await progress(item), 1);
      await finished(page, "holiday film.mp4").getByText("40.0 MiB").waitFor();
      assert.equal(filesWith(folder, content), 1);
      // Not everything once more.
      assert.ok(proxy.sent < 60 * MIB, `${proxy.sent} octets were sent`);
      await picture(page, "uploads-finished");
    }),
);

test(
  "The page of uploads.ts goes on by itself after the connection was cut",
  { skip },
  () =>
    withPage(async ({ page, proxy, folder, file }) => {
      const content = patternBytes(20 * MIB, 8);
      let cuts = 0;
      proxy.onSent = (total) => {
        if (cuts >= 2 || total < (cuts + 1) * 6 * MIB) return;
        cuts++;
        proxy.cut();
      };
      await page.setInputFiles("#choose", file("cut.bin", content));
      await running(page, "cut.bin").getByText("done").waitFor();
      assert.equal(cuts, 2);
      assert.equal(filesWith(folder, content), 1);
    }),
);

test(
  "The page of uploads.ts resumes a file that is chosen again after the page was left",
  { skip },
  () =>
    withPage(async ({ page, proxy, folder, file }) => {
      const content = patternBytes(30 * MIB, 9);
      const path = file("again.bin", content);
      const held = holdAfter(proxy, 15 * MIB);
      await page.setInputFiles("#choose", path);
      await held;
      proxy.cut();
      proxy.release();
      await page.goto(`${proxy.origin}/`);
      await page.setInputFiles("#choose", path);
      await running(page, "again.bin").getByText("done").waitFor();
      assert.equal(filesWith(folder, content), 1);
      assert.ok(proxy.sent < 40 * MIB, `${proxy.sent} octets were sent`);
    }),
);

test(
  "The page of uploads.ts takes files that are dropped on it",
  { skip },
  () =>
    withPage(async ({ page, folder }) => {
      const dropped = await page.evaluateHandle(`(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["first"], "one.txt", { type: "text/plain" }));
      transfer.items.add(new File(["the second"], "<b>two</b>.txt", { type: "text/plain" }));
      return transfer;
    })()`);
      await page.dispatchEvent("#drop", "dragover", { dataTransfer: dropped });
      await page.locator("#drop.over").waitFor();
      await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
      for (const name of ["one.txt", "<b>two</b>.txt"]) {
        await running(page, name).getByText("done").waitFor();
        await finished(page, name).waitFor();
      }
      assert.equal(await page.locator("#drop.over").count(), 0);
      assert.equal(filesWith(folder, Buffer.from("first")), 1);
      assert.equal(filesWith(folder, Buffer.from("the second")), 1);
    }),
);

test("The page of uploads.ts sends a form", { skip }, () =>
  withPage(async ({ page, folder, file }) => {
    await finished(page, "Nothing yet").waitFor();
    const paths = [file("a.txt", Buffer.from("from a form")), file("b.txt", Buffer.from("and another"))];
    await page.setInputFiles("#form input[type=file]", paths);
    await page.fill("#form input[name=note]", "für später");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("#answer", { hasText: "für später" }).waitFor();
    const answer = await page.locator("#answer").textContent();
    assert.deepEqual(JSON.parse(answer ?? ""), {
      files: [
        { field: "file", name: "a.txt", type: "text/plain", size: 11 },
        { field: "file", name: "b.txt", type: "text/plain", size: 11 },
      ],
      fields: { note: ["für später"] },
    });
    for (const name of ["a.txt", "b.txt"]) await finished(page, name).waitFor();
    assert.equal(filesWith(folder, Buffer.from("from a form")), 1);
    await picture(page, "uploads-form");
  }));
