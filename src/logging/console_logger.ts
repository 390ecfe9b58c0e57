/**
 * The logger that a server has by default: warnings and errors on stderr.
 * Runs on: any; runtime API: none
 *
 * One line a record, a stack indented below it (see `log_line.ts`). `console.error` writes before it returns
 * when stderr is a file or a terminal: a reader of a pipe that falls asleep can hold up the thread, so
 * whoever wants many records takes `fileLogger`. Invariant: never throws.
 */
import { isLogged, type Logger, type LogLevel } from "./logger.ts";
import { textLine } from "./log_line.ts";

/** Options of {@link consoleLogger}. */
export interface ConsoleLoggerOptions {
  /** Records below are left out. Default "warn". */
  readonly level?: LogLevel;
  /** Gets each line, without its line feed; a stack brings line feeds inside. Default `console.error`. */
  readonly write?: (line: string) => void;
}

/** A logger that prints on stderr. */
export function consoleLogger(options: ConsoleLoggerOptions = {}): Logger {
  const { level = "warn", write = (line: string) => console.error(line) } = options;
  return {
    log(record) {
      if (!isLogged(record.level, level)) return;
      try {
        write(textLine(record).slice(0, -1));
      } catch {
        // Nothing is left to report it on.
      }
    },
  };
}
