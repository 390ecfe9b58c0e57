/**
 * HTTP dates: reads the three formats of RFC 9110 section 5.6.7, writes the one that is still generated.
 * Runs on: any; runtime API: none
 *
 * `Date.parse` is of no use here: it takes many things that are no HTTP date and reads asctime in local time,
 * while all three formats are UTC. A text that fits none of them is no date at all (`undefined`): conditions
 * that carry it are ignored by their RFC sections. The name of the day must be one, but is not compared with
 * the date.
 */

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const SHORT_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const TIME = "(\\d\\d):(\\d\\d):(\\d\\d)";

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const IMF_FIXDATE = new RegExp(`^${SHORT_DAY}, (\\d\\d) ${MONTH} (\\d{4}) ${TIME} GMT$`);
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const RFC850_DATE = new RegExp(`^${LONG_DAY}, (\\d\\d)-${MONTH}-(\\d\\d) ${TIME} GMT$`);
/** `Sun Nov  6 08:49:37 1994` */
const ASCTIME_DATE = new RegExp(`^${SHORT_DAY} ${MONTH} (\\d\\d| \\d) ${TIME} (\\d{4})$`);

/** The last second that four digits of year can name. */
const LAST_HTTP_DATE_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Milliseconds since 1970 of an HTTP-date, or `undefined` when the text is none.
 *
 * @param nowMs what "50 years in the future" is counted from; only the two-digit year of RFC 850 asks for it
 */
export function parseHttpDate(text: string, nowMs: number = Date.now()): number | undefined {
  let match = IMF_FIXDATE.exec(text);
  if (match !== null) {
    const [, day = "", month = "", year = "", hour = "", minute = "", second = ""] = match;
    return toTime(Number(year), month, day, hour, minute, second);
  }
  match = RFC850_DATE.exec(text);
  if (match !== null) {
    const [, day = "", month = "", year = "", hour = "", minute = "", second = ""] = match;
    return nearestCentury(
      nowMs,
      Number(year),
      (fullYear) => toTime(fullYear, month, day, hour, minute, second),
    );
  }
  match = ASCTIME_DATE.exec(text);
  if (match !== null) {
    const [, month = "", day = "", hour = "", minute = "", second = "", year = ""] = match;
    return toTime(Number(year), month, day, hour, minute, second);
  }
  return undefined;
}

/** Whether {@link formatHttpDate} has a text for this time: the years 0000 to 9999. */
export function hasHttpDate(timeMs: number): boolean {
  return timeMs >= -62_167_219_200_000 && timeMs <= LAST_HTTP_DATE_MS;
}

/**
 * The IMF-fixdate of a time; milliseconds are cut off, never rounded up.
 *
 * @param timeMs a time for which {@link hasHttpDate} holds
 */
export function formatHttpDate(timeMs: number): string {
  // ECMA-262 fixes this text to exactly the IMF-fixdate for years of four digits.
  return new Date(Math.floor(timeMs / 1000) * 1000).toUTCString();
}

/**
 * RFC 9110 section 5.6.7: a two-digit year that appears to lie more than 50 years in the future means the
 * most recent year in the past with the same last two digits.
 */
function nearestCentury(
  nowMs: number,
  twoDigits: number,
  timeIn: (fullYear: number) => number | undefined,
): number | undefined {
  const limit = new Date(nowMs);
  const thisYear = limit.getUTCFullYear();
  limit.setUTCFullYear(thisYear + 50);
  const century = thisYear - (thisYear % 100);
  // The next century comes first: seen from 1999, the year "49" is 2049.
  for (const fullYear of [century + 100 + twoDigits, century + twoDigits, century - 100 + twoDigits]) {
    const time = timeIn(fullYear);
    if (time !== undefined && time <= limit.getTime()) return time;
  }
  return undefined;
}

function toTime(
  year: number,
  monthName: string,
  dayText: string,
  hourText: string,
  minuteText: string,
  secondText: string,
): number | undefined {
  const month = MONTHS.indexOf(monthName) / 3;
  const day = Number(dayText);
  const hour = Number(hourText);
  const minute = Number(minuteText);
  const second = Number(secondText);
  // 60 is a leap second; it counts as the first second of the next minute.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  // A day that the month does not have has moved on to the next one.
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined;
  return date.setUTCHours(hour, minute, second);
}
