/** What every example takes from the environment: `PORT`, `HOST` and `WORKERS`. */
import process from "node:process";
import type { ServeOptions } from "../../mod.ts";

const { PORT = "8080", HOST = "127.0.0.1", WORKERS } = process.env;

export const options: ServeOptions = {
  port: Number(PORT),
  hostname: HOST,
  ...(WORKERS ? { workers: Number(WORKERS) } : {}),
};
