import assert from "node:assert/strict";
import { test } from "node:test";
import { clientFileName, MAX_NAME_BYTES, safeFileName } from "../../src/upload/sanitize.ts";

/** The client's name, the safe one. */
const SAFE: [string, string][] = [
  ["photo.jpg", "photo.jpg"],
  ["My photo (1).JPG", "My photo (1).JPG"],
  ["häßlich 漢字 😀.txt", "häßlich 漢字 😀.txt"],
  // Paths of both kinds, absolute and climbing.
  ["../../etc/passwd", "passwd"],
  ["..\\..\\windows\\system.ini", "system.ini"],
  ["/etc/passwd", "passwd"],
  ["C:\\fakepath\\a.txt", "a.txt"],
  ["C:a.txt", "C_a.txt"],
  ["a/b\\c/d.txt", "d.txt"],
  ["//server/share/x", "x"],
  ["dir/", ""],
  ["..", ""],
  [".", ""],
  ["...", ""],
  ["", ""],
  // An encoded separator is just text; nobody decodes a file name.
  ["..%2f..%2fpasswd", "%2f..%2fpasswd"],
  // Leading dots, blanks and dots at the end.
  [".htaccess", "htaccess"],
  ["...htaccess", "htaccess"],
  [". .bashrc", "bashrc"],
  [" .profile", "profile"],
  ["a.txt.", "a.txt"],
  ["a.txt. . ", "a.txt"],
  ["   ", ""],
  // Control and direction characters.
  ["a\0b.txt", "ab.txt"],
  ["a\r\nb\tc.txt", "abc.txt"],
  ["\u001b[31mred.txt", "[31mred.txt"],
  ["a\u007fb\u0085c", "abc"],
  ["exe.\u202egpj", "exe.gpj"],
  ["a\u2028b\u2029c\u200bd\ufeffe", "abcde"],
  ["\u202e../x", "x"],
  [".\u200b.\u200b./x", "x"],
  ["\u202e.profile", "profile"],
  // Characters that Windows or a shell takes for special.
  ['a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"],
  ["file.txt::$DATA", "file.txt__$DATA"],
  // Devices.
  ["CON", "_CON"],
  ["con.txt", "_con.txt"],
  ["nul", "_nul"],
  ["Aux.tar.gz", "_Aux.tar.gz"],
  ["COM1", "_COM1"],
  ["lpt9.log", "_lpt9.log"],
  ["COM\u00b9.x", "_COM\u00b9.x"],
  ["CON .txt", "_CON .txt"],
  ["CONOUT$", "_CONOUT$"],
  ["console.log", "console.log"],
  ["com10", "com10"],
  // Halves of a surrogate pair; composition.
  ["a\ud800b", "a\ufffdb"],
  ["\udc00", "\ufffd"],
  ["a\u0308.txt", "\u00e4.txt"],
];

for (const [name, safe] of SAFE) {
  test(`File name ${JSON.stringify(name)} becomes ${JSON.stringify(safe)}`, () => {
    assert.equal(safeFileName(name), safe);
  });
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

test("File name is cut to 180 octets of UTF-8 between code points, and keeps its ending", () => {
  assert.equal(MAX_NAME_BYTES, 180);
  assert.equal(safeFileName("x".repeat(300)), "x".repeat(180));
  assert.equal(safeFileName("x".repeat(300) + ".jpeg"), "x".repeat(175) + ".jpeg");
  assert.equal(safeFileName("ä".repeat(90)), "ä".repeat(90));
  assert.equal(safeFileName("ä".repeat(91)), "ä".repeat(90));
  assert.equal(safeFileName("x" + "😀".repeat(45)), "x" + "😀".repeat(44));
  assert.equal(safeFileName("x" + "😀".repeat(45) + ".png"), "x" + "😀".repeat(43) + ".png");
});

test("File name with an ending too long for one is cut like any other", () => {
  assert.equal(safeFileName("a." + "b".repeat(300)), "a." + "b".repeat(178));
  assert.equal(safeFileName("x".repeat(178) + ". b" + "c".repeat(30)), "x".repeat(178));
});

test("File name of any length and character obeys every rule", () => {
  for (const maxBytes of [1, 2, 3, 4, 5, 10, 50, 180]) {
    for (
      const name of ["...", "😀😀.😀", "CON", "aé漢😀.txt", "x".repeat(200) + ".tar.gz", " . a . b . ", "a.b"]
    ) {
      const safe = safeFileName(name, maxBytes);
      assert.ok(bytesOf(safe) <= maxBytes + 0, `${JSON.stringify(name)} at ${maxBytes}: ${safe}`);
      assert.ok(safe === "" || !/^\.|[\s.]$|[/\\\0]|\ufffd/u.test(safe), `${JSON.stringify(name)}: ${safe}`);
    }
  }
});

for (
  const [name, shown] of [
    ["photo.jpg", "photo.jpg"],
    ['a"b<c>:.txt', 'a"b<c>:.txt'],
    [".htaccess", ".htaccess"],
    ["../../etc/passwd", "passwd"],
    ["C:\\dir\\f.txt", "f.txt"],
    ["a\r\n\u202eb\0.txt", "ab.txt"],
    ["..", ""],
    [".", ""],
    ["x/..", ""],
    ["", ""],
  ] as const
) {
  test(`File name ${JSON.stringify(name)} is shown as ${JSON.stringify(shown)}`, () => {
    assert.equal(clientFileName(name), shown);
  });
}
