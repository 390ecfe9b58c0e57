/**
 * Tests of hosts and ports.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isHostAndConnectPort, isHostAndPort } from "../../src/http/host.ts";
import { FUZZ_SEED, fuzzCount, SeededRandom } from "../support/seeded_random.ts";
import { wireBytes } from "../support/split_bytes.ts";

/** Text between octets that would make it valid or invalid if they were looked at. */
function inside(text: string, check: (bytes: Uint8Array, start: number, end: number) => boolean): boolean[] {
  return ["[a/", "]1:"].map((around) => {
    const bytes = wireBytes(around + text + around);
    return check(bytes, around.length, around.length + text.length);
  });
}

const VALID = [
  "a",
  "example.com",
  "EXAMPLE.com.",
  "a-b_c~d",
  "xn--bcher-kva.example",
  "127.0.0.1",
  "0.0.0.0",
  "255.255.255.255",
  "1.2.3.4a",
  "1.2.3.0xg",
  "1a",
  "1-2",
  "0xg",
  "127.0.0.1.example",
  "12.example",
  "a.b1",
  "a.0b",
  "a..",
  "a.fade",
  "--",
  "a--b",
  "xn-.a",
  "axn--",
  "!$&'()*+;=",
  "[::]",
  "[::1]",
  "[1::]",
  "[1:2:3:4:5:6:7:8]",
  "[1:2:3:4:5:6:7::]",
  "[::2:3:4:5:6:7:8]",
  "[1::3:4:5:6:7:8]",
  "[1:2:3::5:6:7:8]",
  "[2001:DB8::ff00:42:8329]",
  "[::ffff:192.0.2.1]",
  "[1:2:3:4:5:6:192.0.2.255]",
  "[1::0.0.0.0]",
  "[::1.2.3.4]",
];

const INVALID = [
  "",
  "a b",
  "a,b",
  "a/b",
  "a@b",
  "a?b",
  "a#b",
  "a\\b",
  "a|b",
  "a^b",
  "a`b",
  "a{b}",
  'a"b',
  "a<b>",
  "a\tb",
  "a\x00b",
  "a\x7f",
  "\xe4",
  "a%20b",
  "%61",
  "%c3%A9",
  "[::1%25]",
  "a%",
  "a%2",
  "a%2g",
  "a%g2",
  "%:80",
  "a[",
  "a]",
  "[",
  "[]",
  "[a]",
  "[:]",
  "[:::]",
  "[1]",
  "[1:2]",
  "[1:2:3:4:5:6:7]",
  "[1:2:3:4:5:6:7:]",
  "[:1:2:3:4:5:6:7]",
  "[1:2:3:4:5:6:7:8:9]",
  "[1:2:3:4:5:6:7:8::]",
  "[::1:2:3:4:5:6:7:8]",
  "[1:2:3:4::5:6:7:8]",
  "[1::2::3]",
  "[::1:]",
  "[1::2:]",
  "[12345::]",
  "[g::]",
  "[::1",
  "[::1]]",
  "[[::1]]",
  "[::1]a",
  "[::1%25eth0]",
  "[fe80::1%eth0]",
  "[v1.a]",
  "[1.2.3.4]",
  "[::1.2.3]",
  "[::1.2.3.4.5]",
  "[::1.2.3.256]",
  "[::01.2.3.4]",
  "[::1.2.3.04]",
  "[::1.2.3.]",
  "[::1.2..4]",
  "[::1.2.3.4:5]",
  "[::a.2.3.4]",
  "[1:2:3:4:5:6:7:1.2.3.4]",
  "[1:2:3:4:5:6::1.2.3.4]",
  "[1:2:3:4:5:1.2.3.4]",
  // What ends in a number is an IPv4 address or nothing (URL standard, "ends in a number").
  "1",
  "1.2.3",
  "1.2.3.4.",
  "1.2.3.4.5",
  "1.2.3.256",
  "1.2.3.999",
  "256.256.256.256",
  "01.2.3.4",
  "1.2.3.04",
  "1..2.3",
  ".1.2.3",
  "a.1",
  "a.1.",
  "a.08",
  "a-1.2",
  "0x",
  "0x7f.1",
  "0X7F000001",
  "a.0x",
  "a.0x1F",
  "a.0x1f.",
  "4294967296",
];

test("Hosts of RFC 3986 section 3.2.2 are valid, with and without a port", () => {
  for (const host of VALID) {
    for (const port of ["", ":", ":0", ":80", ":65535", ":00080"]) {
      assert.deepEqual(inside(host + port, isHostAndPort), [true, true], host + port);
    }
  }
});

test("Other hosts are not valid, with or without a port", () => {
  for (const host of INVALID) {
    for (const port of ["", ":80"]) {
      assert.deepEqual(inside(host + port, isHostAndPort), [false, false], host + port);
    }
  }
});

test("A host whose label of Punycode this runtime cannot put into a URL is not valid", () => {
  for (const host of ["xn--a", "XN--A.example", "a.xn--0", "xn--", "b.xn--9999999999", "xn--bcher-kva.de"]) {
    const held = URL.canParse(`http://${host}/`);
    assert.deepEqual(inside(host, isHostAndPort), [held, held], host);
  }
  assert.equal(URL.canParse("http://xn--bcher-kva.de/"), true);
});

test("Every host that is valid can stand in a URL", () => {
  const random = new SeededRandom();
  const alphabet = [..."aAfgxX0019.-~_[:]%", "xn--", "0x", "1.2.3.4", "a."];
  for (let i = 0; i < fuzzCount(20_000); i++) {
    let host = "";
    for (let parts = random.below(6); parts >= 0; parts--) {
      host += alphabet[random.below(alphabet.length)] ?? "";
    }
    const [valid] = inside(host, isHostAndPort);
    if (valid) assert.equal(URL.canParse(`http://${host}/`), true, `${host}, seed ${FUZZ_SEED}`);
  }
});

test("Ports are decimal and at most 65535", () => {
  for (
    const port of [
      ":65536",
      ":100000",
      ":-1",
      ":+1",
      ":1 ",
      ": 1",
      ":a",
      ":8o",
      ":0x50",
      "::",
      ":80:80",
      ":80,",
    ]
  ) {
    assert.deepEqual(inside("a" + port, isHostAndPort), [false, false], port);
    assert.deepEqual(inside("a" + port, isHostAndConnectPort), [false, false], port);
  }
  assert.deepEqual(inside("a:" + "9".repeat(400), isHostAndPort), [false, false]);
});

test("A CONNECT needs a host and a port from 1 to 65535", () => {
  for (const text of ["a:1", "a:65535", "[::1]:443", "1.2.3.4:0443"]) {
    assert.deepEqual(inside(text, isHostAndConnectPort), [true, true], text);
  }
  for (const text of ["", "a", "a:", "a:0", "a:00", ":80", "[::1]", "[::1]:", "u@a:80", "a:65536"]) {
    assert.deepEqual(inside(text, isHostAndConnectPort), [false, false], text);
  }
});
