/**
 * Tests of the real-time pages in a real browser: two tabs talk, a page counts events.
 * Runs on: any; runtime API: none
 *
 * Chromium is that of the system (CARTOUCHE_CHROMIUM names another, `deno task test` does). Without one the tests are
 * skipped, and fail where nobody would notice: under CI.
 */
// test-runs-on: node — the browser is driven by playwright-core, and what it meets is the same server on each runtime
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";

const EXECUTABLE = process.env["CARTOUCHE_CHROMIUM"] ?? "/usr/bin/chromium";
const IS_SKIPPED = !existsSync(EXECUTABLE) && process.env["CI"] === undefined;
/** Where pictures of the pages go; none are made without it. */
const PICTURES = process.env["CARTOUCHE_PICTURES"];
const PATIENCE_MS = 20_000;

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

/** Tabs of one browser, and what went wrong in them. */
class Tabs {
  readonly faults: string[] = [];
  readonly #context: BrowserContext;
  readonly #base: string;

  constructor(context: BrowserContext, base: string) {
    this.#context = context;
    this.#base = base;
  }

  async open(path: string): Promise<Page> {
    const page = await this.#context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.faults.push(message.text());
    });
    // Nothing but the example's own server is asked for anything.
    page.on("request", (request) => {
      if (!request.url().startsWith(this.#base)) this.faults.push(`asked for ${request.url()}`);
    });
    await page.goto(this.#base + path);
    return page;
  }
}

async function withTabs(example: string, body: (tabs: Tabs, app: ChildApp) => Promise<void>): Promise<void> {
  await withExample(example, {}, async (app) => {
    const browser: Browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
    try {
      const context = await browser.newContext({ viewport: { width: 960, height: 720 } });
      const tabs = new Tabs(context, `http://127.0.0.1:${app.port}`);
      await body(tabs, app);
      // The browser asks for an icon of its own accord.
      assert.deepEqual(tabs.faults.filter((fault) => !fault.includes("404")), []);
    } finally {
      await browser.close();
    }
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

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#send:enabled").waitFor();
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

test("In chat.ts two tabs talk to each other", { skip: IS_SKIPPED }, async () => {
  await withTabs("chat", async (tabs) => {
    const [one, two] = [await tabs.open("/"), await tabs.open("/")];
    await two.locator("#send:enabled").waitFor();
    // Until one hears itself, the subscription of the other may not be entered.
    await say(two, "Is anybody there?");
    await two.getByText("Is anybody there?").waitFor();
    await say(one, "Hello from the first tab");
    for (const tab of [one, two]) await tab.getByText("Hello from the first tab").waitFor();
    await say(two, "Hello from the <b>second</b> tab");
    for (const tab of [one, two]) await tab.getByText("Hello from the <b>second</b> tab").waitFor();
    await picture(one, "chat");
  });
});

test(
  "In advanced_chat.ts two tabs see each other, talk, and see each other leave",
  { skip: IS_SKIPPED },
  async () => {
    await withTabs("advanced_chat", async (tabs) => {
      const anna = await tabs.open("/?name=Anna&room=tea");
      const bert = await tabs.open("/?room=tea");
      await bert.fill("#name", "Bert");
      await bert.press("#name", "Enter");
      for (const tab of [anna, bert]) {
        for (const name of ["Anna", "Bert"]) await tab.locator("#people li", { hasText: name }).waitFor();
      }
      await say(anna, "Good morning, Bert.");
      await say(bert, "Good morning! Is the kettle on?");
      for (const tab of [anna, bert]) await tab.locator("#talk li", { hasText: "kettle" }).waitFor();
      const late = await tabs.open("/?name=Dora&room=tea");
      await late.locator("#talk li", { hasText: "Good morning, Bert." }).waitFor();
      await late.locator("#people li", { hasText: "Anna" }).waitFor();
      const elsewhere = await tabs.open("/?name=Carl&room=coffee");
      await elsewhere.locator("#people li", { hasText: "Carl" }).waitFor();
      await picture(late, "advanced_chat");
      assert.equal(await elsewhere.locator("#talk li").count(), 0);
      // Longer than a heartbeat: whoever is there stays on the list.
      await bert.close();
      await anna.locator("#people li", { hasText: "Bert" }).waitFor({ state: "detached" });
      await anna.waitForTimeout(6_000);
      assert.deepEqual((await anna.locator("#people li").allTextContents()).sort(), ["Anna", "Dora"]);
      // Another room: other people, another talk.
      await late.fill("#room", "coffee");
      await late.press("#room", "Enter");
      await late.locator("#people li", { hasText: "Carl" }).waitFor();
      await anna.locator("#people li", { hasText: "Dora" }).waitFor({ state: "detached" });
      assert.equal(await late.locator("#talk li").count(), 0);
    });
  },
);

test("The page of sse.ts counts events", { skip: IS_SKIPPED }, async () => {
  await withTabs("sse", async (tabs) => {
    const page = await tabs.open("/");
    const count = async (): Promise<number> => Number(await page.locator("#last").textContent());
    await page.waitForFunction("Number(document.getElementById('last').textContent) >= 12");
    const before = await count();
    await page.waitForFunction(`Number(document.getElementById('last').textContent) > ${before}`);
    await page.waitForFunction("document.getElementById('data').textContent.includes('\\n')");
    await picture(page, "sse");
  });
});
